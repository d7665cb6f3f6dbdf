# What the scripts over a testbed share: three nodes with a real SSH server, made once for a script.
#
#     . "$(dirname "$0")/cluster.bash"
#     case_something() { … }
#     run_cluster_cases TOPIC [OPTION of tests/testbed up]…
#
# Each case begins with three nodes that are up and have no process and no temporary file; it ends
# with a look whether that is so again, within a minute.
#
#   $testbed        tests/testbed; RDD_TESTBED is set
#   ${TRANSPORTS[@]}   both ways to reach a node
#   $NODES          a master of two slots on each node
. "$(dirname "${BASH_SOURCE[0]}")/../script.bash"

testbed=$root/tests/testbed
jobs=$build/tests/cluster/jobs
NODES='ssh://2/n1,2/n2,2/n3'
read -ra TRANSPORTS <<<"${RDD_TEST_TRANSPORTS:-libssh2 openssh}"

# missing: what a testbed with all that belongs to it needs and is not there.
missing()
{
    local program
    [ "$(id -u)" -eq 0 ] || { echo "needs root"; return; }
    for program in sshd ip nsenter unshare busybox; do
        PATH=$PATH:/usr/sbin:/sbin command -v $program >/dev/null ||
            { echo "needs $program (./bootstrap --ssh)"; return; }
    done
}

# Nobody waits 20 s here to find that a node is gone.
SOON=(--conf executor.heartbeat=100ms --conf executor.timeout=2s)

# calm: the lines of `jobs wait 12` and `jobs numbers 12`.
calm()
{
    run 0 "$jobs" numbers 12 0 --master 'local[2]'
    mv "$out" calm
}

run_cluster_cases()
{
    local topic=$1 reason
    shift
    reason=$(missing)
    if [ -n "$reason" ]; then
        echo "skip $topic $reason"
        exit 0
    fi
    if ! RDD_TESTBED=$("$testbed" up 3 --dir "$scratch/testbed" --owner $$ "$@"); then
        echo "not ok $topic/testbed"
        exit 1
    fi
    export RDD_TESTBED
    at_exit+=('"$testbed" down')
    local function
    for function in $(declare -F | sed -n 's/^declare -f case_//p'); do
        eval "checked_$(declare -f "case_$function")"
        eval "case_$function() { start_clean; checked_case_$function; nodes_are_clean; }"
    done
    run_cases "$topic"
}

# What a case before that failed may have left.
start_clean()
{
    local name address state
    while read -r name address state; do
        case $state in
        dead) "$testbed" revive "$name" ;;
        cut) "$testbed" heal "$name" ;;
        esac
    done < <("$testbed" list)
    nothing_is_left && return
    on n1,n2,n3 sh -c 'pkill -KILL -u node; rm -rf /tmp/* /tmp/.[!.]* /var/tmp/* /dev/shm/*
        cd /home/node/.cache/rdd && rm -rf tmp-* use/* work/*' 2>/dev/null || :
}

# Of files, the program and its libraries may stay, in the cache.
leftovers()
{
    "$testbed" ps n1,n2,n3
    "$testbed" files n1,n2,n3 | awk -v cache=/home/node/.cache/rdd '
        BEGIN { split("bundles files use work", parts)
            kept["/home/node/.cache"] = kept[cache] = 1
            for (i in parts) kept[cache "/" parts[i]] = 1 }
        !($2 in kept) && index($2, cache "/bundles/") != 1 && index($2, cache "/files/") != 1'
}

nothing_is_left()
{
    [ -z "$(leftovers)" ]
}

nodes_are_clean()
{
    if ! until_true 60 nothing_is_left; then
        echo "left on the nodes:"
        leftovers
        return 1
    fi
}

# on NODES COMMAND…: as root, there.
on()
{
    "$testbed" exec "$@"
}

# cluster STATUS COMMAND…: as `run`, from the driver's machine.
cluster()
{
    run "$1" timeout -k 1 180 "$testbed" run "${@:2}"
}

# begin COMMAND…: in the background; $driver is the program itself.
begin()
{
    background "$testbed" run "$@"
}

ends_with()
{
    local status=0
    until_true 120 driver_ended || { echo "still there after 120 s"; kill -KILL "$driver"; }
    wait "$driver" || status=$?
    [ "$status" -eq "$1" ] && return
    echo "exit status $status instead of $1"
    cat "$err"
    return 1
}

driver_ended()
{
    ! grep -q '^State:[[:space:]]*[^Z]' "/proc/$driver/status" 2>/dev/null
}

# waiting N: that many partitions of `jobs wait` have begun. (One that was lost says so again.)
waiting()
{
    [ "$(grep -o 'partition [0-9]* waits' "$err" | sort -u | wc -l)" -ge "$1" ]
}

# go NODES: partitions that wait there go on.
go()
{
    on "$1" touch /tmp/rdd-go
}

# tidy_up: takes the signs away again.
tidy_up()
{
    on n1,n2,n3 rm -f /tmp/rdd-go
}

# running NODE NAME: prints the pids there of processes of that name.
running()
{
    "$testbed" ps "$1" | awk -v name="$2" '$2 == name { print $1 }'
}

runs()
{
    [ -n "$(running "$1" "$2")" ]
}

# signal_on NODE SIGNAL NAME: to the processes there of that name; there must be some, or come soon.
signal_on()
{
    until_true 60 on "$1" pkill "-$2" -x "$3" && return
    echo "no $3 on $1, but:"
    "$testbed" ps "$1"
    return 1
}

# A start on a node removes what executors that were killed there have left. (It does so beside its
# work, and not longer than that takes.)
swept()
{
    "$testbed" run "$jobs" numbers 12 0 --master "$NODES" >/dev/null && nothing_is_left
}

# A server that all machines reach; gives $url. stop_server ends it.
start_far_server()
{
    local program=$1
    shift
    case $program in
    *mirror_api) set -- 10.77.0.200 "$@" ;;
    *demo_api) set -- --address 10.77.0.200 "$@" ;;
    esac
    start_server "$testbed" server "$program" "$@"
}

# requests: how many the stopped server had.
requests()
{
    sed -nE 's/^[a-z_]*: ([0-9]+) requests.*/\1/p' "$server_said"
}
