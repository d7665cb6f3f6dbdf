#!/bin/bash
# A small job, once for each allocation of the library that fails in it: the job ends well all the
# same, or with one line that says that memory is out. tests/torture/torture.c has the rules.
#
# A sample of the allocations, fewer under sanitizers; RDD_TORTURE_EVERY=1 takes all of them. RDD_SEED
# repeats a sample: the seed is in the output of a case that fails.

. "$(dirname "$0")/../script.bash"

torture=$build/tests/torture/torture
case $build in
*/asan | */tsan) factor=4 ;;
*) factor=1 ;;
esac

# sample EVERY ARGUMENT… --master MASTER: fails one in EVERY allocations. Without the debug mode of the
# asan build, whose batches of one element make thousands of allocations that are all alike.
sample()
{
    local every=${RDD_TORTURE_EVERY:-$(($1 * factor))}
    shift
    mkdir dir
    local seed=(${RDD_SEED:+seed "$RDD_SEED"})
    "$torture" dir "${@:1:$#-2}" every "$every" "${seed[@]}" "${@: -2}" \
        --conf debug.lifetime=false >"$out" 2>&1 || {
        cat "$out"
        return 1
    }
    tail -n 1 "$out" | grep -qE '^[1-9][0-9]* allocations, 0 failures$'
}

case_driver_on_threads()
{
    sample 3 --master 'local[2]'
}

case_driver_of_executors()
{
    sample 4 --master 'local-cluster[1,2]'
}

case_supervisor()
{
    sample 3 in supervisor --master 'local-cluster[1,2]'
}

case_worker()
{
    sample 5 in worker --master 'local-cluster[1,2]'
}

run_cases torture
