#!/bin/bash
# The examples give the right output, the same on every master, and `ninja demo` leaves nothing.
. "$(dirname "$0")/../script.bash"

case_hello()
{
    local master
    for master in "${MASTERS[@]}"; do
        run 0 "$build/examples/hello" --master "$master"
        prints "$(printf '%s\n' '1 squared is 1' '2 squared is 4' '3 squared is 9' \
            '4 squared is 16' '5 squared is 25')"
        prints_nothing_else
    done
}

prints_nothing_else()
{
    [ ! -s "$err" ] || { cat "$err"; return 1; }
}

case_hello_explains_its_plan()
{
    run 0 "$build/examples/hello" --master 'local[2]' --explain
    says "$out" '5 squared is 25'
    says "$err" 'collect (examples/hello.c:' 'stage 0 (result): 2 partitions' \
        'map square (examples/hello.c:' 'parallelize' '-> int64_t'
    run 0 "$build/examples/hello" --explain=dot
    says "$err" 'digraph' 'square'
}

# The same by sort and uniq: most frequent first, equal ones by name.
top_of()
{
    awk -v field="$1" 'NF >= field { print $field }' | LC_ALL=C sort | uniq -c |
        LC_ALL=C sort -k1,1nr -k2 | head -n "$2" | awk '{ printf "%8d  %s\n", $1, $2 }'
}

case_log_top()
{
    local log=$root/examples/access.log.gz master
    zcat "$log" >access.log
    top_of 7 10 <access.log >top
    top_of 9 3 <access.log >status
    [ "$(wc -l <top)" -eq 10 ]
    for master in "${MASTERS[@]}"; do
        run 0 "$build/examples/log_top" "$log" --master "$master"
        same top "$out"
        prints_nothing_else
        run 0 "$build/examples/log_top" access.log 9 3 --master "$master"
        same status "$out"
        run 0 "$build/examples/log_top" --master "$master" - 9 3 <access.log
        same status "$out"
    done
    # Many splits of one file, a directory, a glob, compressed standard input.
    run 0 "$build/examples/log_top" access.log --conf input.split_size=4KiB \
        --master 'local-cluster[2,2]'
    same top "$out"
    mkdir logs
    head -n 700 access.log | gzip >logs/1.gz
    tail -n +701 access.log >logs/2
    run 0 "$build/examples/log_top" logs
    same top "$out"
    run 0 "$build/examples/log_top" 'logs/*'
    same top "$out"
    run 0 "$build/examples/log_top" - <"$log"
    same top "$out"
}

case_log_top_usage()
{
    run 2 "$build/examples/log_top"
    one_line 'log_top: usage: log_top LOG'
    run 2 "$build/examples/log_top" a.log 0
    one_line 'usage'
    run 1 "$build/examples/log_top" missing.log
    one_line 'log_top: ' 'missing.log' 'No such file'
}

case_forum_pool()
{
    local master
    for master in "${MASTERS[@]}"; do
        run 0 "$build/examples/forum_pool" 10 4 --master "$master"
        # Row by row, whoever ran it; and every row was run by somebody.
        sed -n 's/^\(row .*: partition .*\), process .*/\1/p' "$out" >rows
        for row in 0 1 2 3 4 5 6 7 8 9; do
            echo "row $row: partition $((((row + 1) * 4 - 1) / 10))"
        done | same - rows
        [ "$(awk '/^process/ { rows += $4 } END { print rows }' "$out")" -eq 10 ]
        driver=$(sed -n 's/^the driver is process //p' "$out")
        case $master in
        local-cluster*) not grep "process $driver\$\|process $driver ran" <(sed 1d "$out") ;;
        *) says "$out" "process $driver ran 10 rows" ;;
        esac
    done
}

# What `ninja demo` runs, in this variant.
case_demo()
{
    local command output
    command=$(cd "$root" && ninja -t commands demo | tail -n 1)
    [ "$command" = 'examples/demo.sh build' ]
    run 0 "$root/examples/demo.sh" "${build#"$root"/}" --conf http.backoff=1ms
    says "$out" 'a table of 249 country codes' \
        'id,code,label,alpha_2,alpha_3,flag,name,numeric,official_name,' \
        ',_status,_error,_attempts' '1,AW,Aruba,AW,ABW,'
    says "$err" 'map api_call (examples/api_call.c:' 'concurrency 16' 'demo_api: 249 requests'
    output=$(sed -n 's/^The whole of it: //p' "$out")
    cd "$root"
    [ "$(wc -l <"$output")" -eq 250 ]
    [ "$(tail -n +2 "$output" | grep -c ',200,,1$')" -eq 249 ]
}

run_cases examples
