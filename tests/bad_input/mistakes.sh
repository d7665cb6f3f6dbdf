#!/bin/bash
# only: release
# Mistakes in driver programs that the compiler does not see: each fails, and is told in a line.
. "$(dirname "$0")/../script.bash"

mistakes=$build/tests/bad_input/mistakes

case_an_action_in_an_operator()
{
    local master
    for master in "${MASTERS[@]}"; do
        run 2 "$mistakes" nested --master "$master"
        says "$err" 'tests/bad_input/mistakes.c:29) was called in an operator'
    done
}

case_an_rdd_that_was_never_made()
{
    run 2 "$mistakes" null
    says "$err" 'mistakes: rdd_count (tests/bad_input/mistakes.c:' '): the RDD or context is NULL'
    run 2 "$mistakes" no-context
    says "$err" 'mistakes: rdd_range (tests/bad_input/mistakes.c:' '): the RDD or context is NULL'
}

case_a_program_that_does_not_finish()
{
    run 0 "$mistakes" unfinished
    [ "$(grep -c 'nowhere: .*No such file .*; the program ends without rdd_finish()' "$err")" -eq 1 ]
    run 1 "$mistakes" forked
    [ "$(grep -c 'nowhere: .*No such file' "$err")" -eq 1 ]
    not grep 'without rdd_finish' "$err"
}

case_a_program_that_finishes_twice()
{
    run 1 "$mistakes" finished
    says "$err" 'rdd: rdd_finish: the context has ended already'
}

case_local_arrays()
{
    local master what
    for master in "${MASTERS[@]}"; do
        for what in local local-emitted local-list local-awaited; do
            run 2 "$mistakes" $what --master "$master"
            says "$err" 'operator local_' 'what it gives lies in a local array' 'rdd_format()' \
                '; the record is '
        done
    done
}

run_cases mistakes
