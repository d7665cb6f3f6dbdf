#!/bin/bash
# only: release
# Nodes, links and processes that end in the middle of a job over SSH: the result is that of an
# undisturbed run, or one line says what happened; nothing stays on any node.
. "$(dirname "$0")/cluster.bash"

# begin_wait OPTION…: all twelve partitions wait, four on each node.
begin_wait()
{
    begin "$jobs" wait 12 --master 'ssh://4/n1,4/n2,4/n3' "$@"
    until_true 60 waiting 12 || { cat "$err"; return 1; }
}

case_kill_a_worker()
{
    local transport
    calm
    for transport in "${TRANSPORTS[@]}"; do
        begin_wait --conf ssh.transport=$transport
        signal_on n2 KILL rdd-worker
        go n1,n2,n3
        ends_with 0
        same calm "$out"
        says "$err" '[n2] rdd: worker was killed by signal 9 (SIGKILL)' 'a new one is started'
        tidy_up
    done
}

case_kill_a_supervisor()
{
    local transport
    calm
    for transport in "${TRANSPORTS[@]}"; do
        begin_wait --conf ssh.transport=$transport
        signal_on n2 KILL rdd-supervisor
        go n1,n2,n3
        ends_with 0
        same calm "$out"
        says "$err" 'rdd: n2 was lost: ' 'what it had not finished runs again'
        tidy_up
    done
    until_true 60 swept
}

# The workers of a supervisor that is gone end too, while the node's others go on.
case_kill_the_session()
{
    local transport
    calm
    for transport in "${TRANSPORTS[@]}"; do
        begin_wait --conf ssh.transport=$transport
        on n3 pkill -KILL -f '^sshd: node'
        go n1,n2,n3
        ends_with 0
        same calm "$out"
        tidy_up
    done
}

# tried N HOW: how often n3 was.
tried()
{
    [ "$(grep -c "n3: connecting $2" "$err")" -eq "$1" ] || { grep 'n3: connecting' "$err"; return 1; }
}

# libssh2 is refused once; after that the node is the ssh program's.
case_a_key_that_libssh2_cannot_use()
{
    ssh-keygen -q -t rsa -N '' -f rsa
    calm
    on n3 cp /etc/ssh/authorized_keys /etc/ssh/before
    on n3 sh -c "echo '$(cat rsa.pub)' >/etc/ssh/authorized_keys"
    begin_wait --verbose --conf ssh.identity="$PWD/rsa"
    on n3 pkill -KILL -f '^sshd: node'
    # The others could do its tasks before it is there again.
    ! tried 1 'with the ssh program' || until_true 60 tried 2 'with the ssh program' >/dev/null
    go n1,n2,n3
    ends_with 0
    same calm "$out"
    on n3 mv /etc/ssh/before /etc/ssh/authorized_keys
    tidy_up
    grep -q 'n3: connecting with the ssh program' "$err" || skip "this libssh2 can use RSA keys"
    tried 1 'with libssh2'
    tried 2 'with the ssh program, as libssh2 did not get in: RSA keys need libssh2 1.11'
}

# Silence is found by the missing heartbeats.
case_a_supervisor_that_hangs()
{
    local transport
    calm
    for transport in "${TRANSPORTS[@]}"; do
        begin_wait --conf ssh.transport=$transport "${SOON[@]}"
        signal_on n1 STOP rdd-supervisor
        go n1,n2,n3
        ends_with 0
        same calm "$out"
        on n1 pkill -CONT -x rdd-supervisor || : # its session's end may have ended it
        until_true 60 nothing_but_signs
        tidy_up
    done
}

nothing_but_signs()
{
    [ -z "$(leftovers | grep -v rdd-go)" ]
}

# -- Links and nodes -------------------------------------------------------------------------------

# The node's supervisor has to find by itself that nobody is there any more.
case_cut_a_link()
{
    local transport
    calm
    for transport in "${TRANSPORTS[@]}"; do
        begin_wait --conf ssh.transport=$transport "${SOON[@]}"
        "$testbed" cut n2
        until_true 60 no_executor_on n2
        go n1,n2,n3
        ends_with 0
        same calm "$out"
        "$testbed" heal n2
        tidy_up
    done
}

no_executor_on()
{
    [ -z "$(running "$1" rdd-supervisor)$(running "$1" rdd-worker)" ]
}

# A server that is slow to come back, as while a machine starts: a node that was up is not given up for it.
case_a_server_that_hangs_for_a_while()
{
    local transport
    calm
    for transport in "${TRANSPORTS[@]}"; do
        begin "$jobs" wait 12 --master 'ssh://12/n3' --conf ssh.connect_timeout=1s --event-log events \
            --conf ssh.transport=$transport
        until_true 60 waiting 12
        on n3 sh -c 'pkill -STOP -o -x sshd; pkill -KILL -u node'
        until_true 60 grep -q 'does not talk' events
        on n3 pkill -CONT -o -x sshd
        go n3
        ends_with 0
        same calm "$out"
        tidy_up
    done
    until_true 60 swept
}

# An executor that the driver does not hear makes no calls, though it could: all would be made again.
case_cut_from_the_driver_alone()
{
    awk 'BEGIN { print "row,code"; for (i = 0; i < 2000; i++) printf "%060d,FR\n", i }' >in.csv
    start_far_server "$build/examples/demo_api" --latency-ms 25
    begin "$build/examples/api_call" in.csv out.csv --url "$url/countries/{code}" --concurrency 8 \
        --partitions 2 --master 'ssh://1/n1,1/n2' --conf executor.heartbeat=1s --conf executor.timeout=5s
    until_true 60 journal_has 20000
    on n2 ip route add blackhole 10.77.0.254/32
    ends_with 0
    on n2 ip route del blackhole 10.77.0.254/32
    stop_server
    [ "$(grep -c ',200,,1$' out.csv)" -eq 2000 ]
    echo "$(($(requests) - 2000)) calls were repeated" # all of the other half, before it is given up
    [ "$(requests)" -le $((2000 + 450)) ]
    until_true 60 no_executor_on n2
}

journal_has() # BYTES
{
    [ "$(stat -c %s out.csv.journal 2>/dev/null || echo 0)" -ge "$1" ]
}

# Cut for less than executor.timeout: nothing is lost, nothing runs twice.
case_cut_and_heal()
{
    local transport
    calm
    for transport in "${TRANSPORTS[@]}"; do
        begin_wait --conf ssh.transport=$transport --event-log events
        "$testbed" cut n3
        go n1,n2
        "$testbed" heal n3
        go n3
        ends_with 0
        same calm "$out"
        [ "$(grep -c '"event":"task_start"' events)" -eq 12 ]
        tidy_up
    done
}

# A node that comes back gets work again.
case_kill_and_revive_a_node()
{
    local transport
    calm
    for transport in "${TRANSPORTS[@]}"; do
        begin_wait --conf ssh.transport=$transport "${SOON[@]}"
        "$testbed" kill n2
        "$testbed" revive n2
        until_true 60 runs n2 rdd-worker
        go n1,n2,n3
        ends_with 0
        same calm "$out"
        tidy_up
    done
    until_true 60 swept
}

# As when the power fails: not a word comes from it.
case_a_node_without_power()
{
    local transport
    calm
    for transport in "${TRANSPORTS[@]}"; do
        begin_wait --conf ssh.transport=$transport "${SOON[@]}"
        "$testbed" cut n1
        "$testbed" kill n1
        go n2,n3
        ends_with 0
        same calm "$out"
        "$testbed" revive n1
        tidy_up
    done
    until_true 60 swept
}

# Nodes are added to the file and taken out of it while a job runs.
case_a_hosts_file_that_changes()
{
    calm
    echo 4/n1 >hosts
    begin "$jobs" wait 12 --master ssh:@hosts --verbose
    until_true 60 waiting 4 || { cat "$err"; return 1; }
    printf '4/n1\n4/n2\n4/n3\n' >new && mv new hosts
    until_true 60 waiting 12 || { cat "$err"; return 1; }
    printf '4/n2\nn3:nonsense\n' >hosts
    until_true 60 grep -q 'hosts has changed and is not used' "$err"
    printf '4/n2\n4/n3 # n1 goes\n' >hosts
    until_true 60 grep -q 'n1: is not in the hosts file any more' "$err"
    go n1,n2,n3
    ends_with 0
    same calm "$out"
    tidy_up
}

# A link, of which either end changes; and a node that gets more slots.
case_a_hosts_file_behind_a_link()
{
    calm
    mkdir one two
    echo 2/n1 >one/nodes
    printf '2/n1\n4/n2\n4/n3\n' >two/nodes
    ln -s one/nodes hosts
    begin "$jobs" wait 12 --master ssh:@hosts
    until_true 60 waiting 2 || { cat "$err"; return 1; }
    echo 4/n1 >one/nodes
    until_true 60 waiting 6 || { cat "$err"; return 1; } # the one of two slots finishes what it has
    ln -s two/nodes new && mv -T new hosts
    until_true 60 waiting 12 || { cat "$err"; return 1; }
    go n1,n2,n3
    ends_with 0
    same calm "$out"
    tidy_up
}

case_all_nodes_are_lost()
{
    local name
    begin_wait --conf nodes.wait=10s "${SOON[@]}"
    for name in n1 n2 n3; do
        "$testbed" kill $name
    done
    ends_with 1
    tail -n 1 "$err" >last
    says last 'jobs: ' nodes.wait
    for name in n1 n2 n3; do
        "$testbed" revive $name
    done
    until_true 60 swept
}

# -- The driver ------------------------------------------------------------------------------------

case_kill_the_driver()
{
    local transport
    for transport in "${TRANSPORTS[@]}"; do
        begin_wait --conf ssh.transport=$transport
        [ "$(running n1 rdd-worker | wc -l)" -ge 1 ]
        kill -KILL "$driver"
        ends_with 137
        nodes_are_clean
    done
}

# Killed while nobody can tell the nodes.
case_kill_the_driver_behind_a_cut()
{
    local name
    begin_wait "${SOON[@]}"
    "$testbed" cut n2
    kill -KILL "$driver"
    ends_with 137
    nodes_are_clean
    "$testbed" heal n2
}

case_interrupt()
{
    local transport
    for transport in "${TRANSPORTS[@]}"; do
        begin_wait --conf ssh.transport=$transport
        kill -INT "$driver"
        ends_with 130
        nodes_are_clean
    done
}

run_cluster_cases cluster-faults
