#!/bin/bash
# only: release
# Over SSH on three nodes, by both transports, programs print and write the same bytes as on one
# machine, and nothing stays on the nodes.
. "$(dirname "$0")/cluster.bash"

case_hello()
{
    local transport
    for transport in "${TRANSPORTS[@]}"; do
        cluster 0 "$build/examples/hello" --master ssh://n1,n2,n3 --conf ssh.transport=$transport
        prints "$(printf '%s\n' '1 squared is 1' '2 squared is 4' '3 squared is 9' \
            '4 squared is 16' '5 squared is 25')"
        [ ! -s "$err" ]
    done
    cluster 0 "$build/examples/hello" --master ssh:
    says "$out" '5 squared is 25'
}

case_log_top()
{
    local transport
    run 0 "$build/examples/log_top" "$root/examples/access.log.gz" --master 'local[1]'
    mv "$out" top
    zcat "$root/examples/access.log.gz" >access.log
    for transport in "${TRANSPORTS[@]}"; do
        set -- --master "$NODES" --conf ssh.transport=$transport
        cluster 0 "$build/examples/log_top" "$root/examples/access.log.gz" "$@"
        same top "$out"
        cluster 0 "$build/examples/log_top" access.log --conf input.split_size=4KiB "$@"
        same top "$out"
        cluster 0 "$build/examples/log_top" - "$@" <access.log
        same top "$out"
    done
}

case_forum_pool()
{
    local transport
    # Rows and partitions are the same everywhere; processes are not.
    run 0 "$build/examples/forum_pool" 12 --master 'local[1]'
    sed -nE 's/^(row .*) process.*/\1/p' "$out" >one
    [ "$(wc -l <one)" -eq 12 ]
    for transport in "${TRANSPORTS[@]}"; do
        cluster 0 "$build/examples/forum_pool" 12 --master "$NODES" --conf ssh.transport=$transport
        sed -nE 's/^(row .*) process.*/\1/p' "$out" | diff one -
    done
}

case_api_call()
{
    local transport
    start_far_server "$build/examples/demo_api" --latency-ms 5
    cp "$root/examples/data.csv" .
    set -- --url "$url/countries/{code}"
    cluster 0 "$build/examples/api_call" data.csv one.csv "$@" --master 'local[1]'
    for transport in "${TRANSPORTS[@]}"; do
        cluster 0 "$build/examples/api_call" data.csv $transport.csv "$@" \
            --master "$NODES" --conf ssh.transport=$transport
        same one.csv $transport.csv
    done
    stop_server
    [ "$(requests)" -eq $((249 * (1 + ${#TRANSPORTS[@]}))) ]
}

# A file of the same name on each node, with other content and even with the same size.
case_a_file_of_that_name_on_a_node()
{
    local transport path name
    path=$work/data.csv
    seq 5000 | sed 's/.*/driver &/' >data.csv
    run 0 "$jobs" lines "$path" --master 'local[1]'
    mv "$out" one
    for name in n1 n2 n3; do
        on $name sh -c "mkdir -p '$work' && seq 5000 | sed 's/.*/nodeXX &/' >'$path'
            touch -d @$(stat -c %Y data.csv) '$path'; chmod -R a+rX /tmp"
    done
    for transport in "${TRANSPORTS[@]}"; do
        cluster 0 "$jobs" lines "$path" --master "$NODES" --conf ssh.transport=$transport \
            --conf input.split_size=4KiB
        same one "$out"
        cluster 0 "$jobs" save "$path" saved/ --master "$NODES" --conf ssh.transport=$transport
        cat saved/part-* >"$out"
        same one "$out"
        rm -r saved
    done
    for name in n1 n2 n3; do
        [ "$(on $name sh -c "cat '$path' | wc -l; ls -A '$work'")" = "$(printf '5000\ndata.csv')" ]
    done
    start_clean
}

# What all nodes see is read in place; what is only said to be there is an error that names the node.
case_shared_directories()
{
    local file=/usr/share/common-licenses/GPL-3
    run 0 "$jobs" lines "$file" --master 'local[1]'
    mv "$out" one
    cluster 0 "$jobs" lines "$file" --master "$NODES" --conf shared=/usr/share --conf input.split_size=4KiB
    same one "$out"
    seq 5000 >data
    run 1 "$testbed" run "$jobs" lines "$work/data" --master ssh://n2 --conf shared="$work"
    says "$err" ' on n2, which has it says --conf shared: ' "$work/data"
    run 1 "$testbed" run "$jobs" save "$file" "$work/saved" --master ssh://n3 --conf shared="$work"
    says "$err" ' on n3, which has it says --conf shared: ' "$work/saved"
    only one data
}

# All kinds of operators, sources and actions. It is not the transport that makes a difference to most
# of them, so one carries all cases and the other some.
case_oracle()
{
    local transport seed=${RDD_SEED:-$((RANDOM * 32768 + RANDOM))} oracle
    echo "seed $seed (again with RDD_SEED=$seed)"
    oracle=("$build/tests/oracle/oracle_programs" --seed "$seed" --partitions 7)
    for transport in "${TRANSPORTS[@]}"; do
        run 0 "${oracle[@]}" --master 'local[1]'
        mv "$out" one
        cluster 0 "${oracle[@]}" --master "$NODES" --conf ssh.transport=$transport
        same one "$out"
        oracle+=(--only csv)
    done
}

# A user's lines arrive with the node before them, and with the task where only one ran there.
case_lines_of_nodes()
{
    local transport
    for transport in "${TRANSPORTS[@]}"; do
        begin "$jobs" wait 6 --master "$NODES" --conf ssh.transport=$transport
        until_true 60 waiting 6
        go n1,n2,n3
        ends_with 0
        says "$err" '[n1] partition ' '[n2] partition ' '[n3] partition '
        tidy_up
        begin "$jobs" wait 1 --master ssh://1/n2 --conf ssh.transport=$transport
        until_true 60 waiting 1
        go n2
        ends_with 0
        says "$err" '[n2 partition 0] partition 0 waits'
        tidy_up
    done
}

# Each task runs where it prefers to, also in a cold start, when one node is there before the others.
case_preferred_hosts()
{
    local transport
    run 0 "$jobs" on 'executor 1' 'executor 2' 'executor 0' --master 'local-cluster[3,1]' \
        --conf locality.wait=1h
    each_for_itself 3
    for transport in "${TRANSPORTS[@]}"; do
        cluster 0 "$jobs" on n3 n1 N2 --master ssh://1/n1,1/n2,1/n3 --conf locality.wait=1h \
            --conf ssh.transport=$transport
        each_for_itself 3
        prints "$(printf '%s\n' n3 n1 N2)"
    done
    cluster 0 "$jobs" on n9 n2 --master ssh://1/n1,1/n2
    says "$err" 'no host of --master is called n9: tasks that prefer it run anywhere'
    prints "$(printf '%s\n' n9 n2)"
    run 0 "$jobs" on n9 N7 'executor 0' n8 n7 n9 --master 'local-cluster[1,1]'
    says "$err" 'no host of --master is called n9 (and 2 more): tasks that prefer it run anywhere'
    run 0 "$jobs" on n9 n2 --master 'local[2]' # which has no hosts
    prints "$(printf '%s\n' n9 n2)"
}

# each_for_itself N: so many lines, each from the host that it is about.
each_for_itself()
{
    [ "$(sed -E 's, partition [0-9]+\],],' "$err" | grep -ciE '^\[(.*)\] for \1$')" -eq "$1" ] ||
        { cat "$err"; return 1; }
}

# Children of tasks with sessions of their own end with their executor.
case_strays()
{
    local transport
    run 0 "$jobs" numbers 12 0 --master 'local[1]'
    mv "$out" one
    for transport in "${TRANSPORTS[@]}"; do
        cluster 0 "$jobs" sleepers 12 --master "$NODES" --conf ssh.transport=$transport
        same one "$out"
        until_true 60 nothing_is_left
    done
}

run_cluster_cases cluster-same
