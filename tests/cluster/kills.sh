#!/bin/bash
# only: release
# Executors over SSH that are killed at random moments, time and again: the same bytes, and calls are
# repeated only as far as their answers had not arrived.
. "$(dirname "$0")/cluster.bash"

# kill_something NODE WHAT: by its name there; the SSH session as well. There may be none.
kill_something()
{
    case $2 in
    session) on "$1" pkill -KILL -f '^sshd: node' || : ;;
    *) on "$1" pkill -KILL -x "$2" || : ;;
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

# strike MS: kills something at a random moment of so many milliseconds, and says what.
strike()
{
    local what node after
    random 3; node=n$((random + 1))
    random 3
    case $random in
    0) what=rdd-supervisor ;;
    1) what=rdd-worker ;;
    2) what=session ;;
    esac
    random "$1"
    after=$random
    # The moment is what is random here; nothing announces it.
    sleep "$((after / 1000)).$(printf %03d $((after % 1000)))"
    kill_something $node $what
    struck="$what of $node after $after ms"
}

case_kill_at_random()
{
    local i begun ms transport=${TRANSPORTS[0]} struck random
    seed_random
    calm
    set -- "$jobs" numbers 12 25 --master "$NODES" --conf debug.seed=1
    cluster 0 "$@"
    begun=$EPOCHREALTIME
    cluster 0 "$@"
    ms=$(awk "BEGIN { printf \"%d\", 1000 * ($EPOCHREALTIME - $begun) * 1.2 + 1 }")
    # Starting an ssh program costs most.
    for ((i = 0; i < ${RDD_CLUSTER_KILLS:-40}; i++)); do
        transport=${TRANSPORTS[i % 4 == 3 ? ${#TRANSPORTS[@]} - 1 : 0]}
        begin "$@" --conf ssh.transport=$transport
        strike "$ms"
        ends_with 0 || { echo "run $i, $transport: $struck"; return 1; }
        same calm "$out" || { echo "run $i, $transport: $struck"; return 1; }
    done
    until_true 30 swept
}

# A retried task repeats only calls whose answers had not come to the driver: those in flight, and
# what is written in one flush.
case_kill_while_calling()
{
    local i begun ms struck random transport repeats in_flight
    seed_random
    seq 400 | sed 's/.*/&,row &/; 1i id,text' >in.csv
    set -- "$build/examples/api_call" in.csv out.csv --concurrency 8 --master "$NODES"
    start_far_server "$build/tests/examples/mirror_api"
    cluster 0 "$@" --url "$url/mirror/{id}"
    stop_server
    [ "$(requests)" -eq 400 ]
    mv out.csv calm.csv
    in_flight=$((2 * 8))
    for ((i = 0; i < ${RDD_CLUSTER_KILLS:-40} / 4; i++)); do
        transport=${TRANSPORTS[i % ${#TRANSPORTS[@]}]}
        start_far_server "$build/tests/examples/mirror_api"
        begin "$@" --url "$url/mirror/{id}" --conf ssh.transport=$transport
        strike 600
        ends_with 0 || { echo "run $i, $transport: $struck"; return 1; }
        stop_server
        same calm.csv out.csv || { echo "run $i, $transport: $struck"; return 1; }
        rm out.csv
        repeats=$(($(requests) - 400))
        echo "run $i, $transport: $struck: $repeats calls were repeated"
        [ "$repeats" -le $((in_flight + ${FLUSH_ROWS:-64})) ]
    done
    until_true 30 swept
}

run_cluster_cases cluster-kills
