#!/bin/bash
# only: release
# Executors over SSH that are killed at random moments, time and again: the same bytes, and calls are
# repeated only as far as their answers had not arrived.
. "$(dirname "$0")/cluster.bash"

TWO='ssh://2/n1,2/n2'

# kill_something NODE WHAT: by its name there; the SSH session as well. False when there is none.
kill_something()
{
    case $2 in
    session) on "$1" pkill -KILL -f '^sshd: node' ;;
    *) on "$1" pkill -KILL -x "$2" ;;
    esac
}

# random LIMIT: the next number of this case's seed.
random()
{
    RANDOM_STATE=$(((RANDOM_STATE * 1103515245 + 12345) % 2147483648))
    random=$((RANDOM_STATE / 65536 % $1))
}

seed_random()
{
    RANDOM_STATE=${RDD_SEED:-$((RANDOM * 32768 + RANDOM))}
    echo "seed $RANDOM_STATE (again with RDD_SEED=$RANDOM_STATE)"
}

# strike MS: kills something at a random moment of so many milliseconds, and says what. In the first
# third there is only a session to kill.
strike()
{
    local what node after
    random 2; node=n$((random + 1))
    random 3
    case $random in
    0) what=rdd-supervisor ;;
    1) what=rdd-worker ;;
    2) what=session ;;
    esac
    random "$1"
    after=$random
    [ $what = session ] || after=$(($1 / 3 + after * 2 / 3))
    # The moment is what is random here; nothing announces it.
    sleep "$((after / 1000)).$(printf %03d $((after % 1000)))"
    struck="$what of $node after $after ms"
    ! kill_something $node $what || hits=$((hits + 1))
}

# lasts COMMAND…: gives $ms, how long it takes once the nodes have the program.
lasts()
{
    local begun
    cluster 0 "$@"
    begun=$EPOCHREALTIME
    cluster 0 "$@"
    ms=$(awk "BEGIN { printf \"%d\", 1000 * ($EPOCHREALTIME - $begun) + 1 }")
}

# struck_run I COMMAND…: the I-th, by one transport or the other (an ssh program costs most).
struck_run()
{
    local i=$1 transport=${TRANSPORTS[$1 % 4 == 3 ? ${#TRANSPORTS[@]} - 1 : 0]}
    shift
    begin "$@" --conf ssh.transport=$transport
    strike "$ms"
    ends_with 0 && return
    echo "run $i, $transport: $struck"
    return 1
}

case_kill_at_random()
{
    local i ms struck random hits=0
    seed_random
    calm
    set -- "$jobs" numbers 12 80 --master "$TWO"
    lasts "$@"
    for ((i = 0; i < ${RDD_CLUSTER_KILLS:-40}; i++)); do
        struck_run $i "$@"
        same calm "$out" || { echo "run $i: $struck"; return 1; }
    done
    [ "$hits" -gt 0 ]
    until_true 60 swept || { leftovers; return 1; }
}

# A retried task repeats only calls whose answers had not come to the driver: those in flight (one
# node's, 2 slots of 8), and those of half a second, after which a worker that is not heard makes no more.
case_kill_while_calling()
{
    local i ms struck random hits=0 repeats
    seed_random
    awk -F, 'NR == 1 { print "row,code" } NR > 1 { codes[n++] = $2 }
        END { for (i = 0; i < 300; i++) printf "%060d,%s\n", i, codes[i % n] }' \
        "$root/examples/data.csv" >in.csv
    set -- "$build/examples/api_call" in.csv out.csv --concurrency 8 --master "$TWO" --url
    start_far_server "$build/examples/demo_api" --latency-ms 100
    lasts "$@" "$url/countries/{code}"
    stop_server
    [ "$(requests)" -eq 600 ]
    mv out.csv calm.csv
    for ((i = 0; i < ${RDD_CLUSTER_KILLS:-40} / 4; i++)); do
        start_far_server "$build/examples/demo_api" --latency-ms 100
        struck_run $i "$@" "$url/countries/{code}"
        stop_server
        same calm.csv out.csv || { echo "run $i: $struck"; return 1; }
        rm out.csv
        repeats=$(($(requests) - 300))
        echo "run $i: $struck: $repeats calls were repeated"
        [ "$repeats" -le $((2 * 8 * (1 + 5 + 1))) ]
    done
    [ "$hits" -gt 0 ]
    until_true 60 swept || { leftovers; return 1; }
}

run_cluster_cases cluster-kills
