#!/bin/bash
# api_call when something ends in the middle: a worker, the driver, the user's patience. What was
# answered is not asked again, what may have been done twice is not. And rates over a cluster.
. "$(dirname "$0")/../script.bash"

api_call=$build/examples/api_call

mirror()
{
    start_server "$build/tests/examples/mirror_api"
}

requests()
{
    sed -nE 's/^[a-z_]*: ([0-9]+) requests.*/\1/p' "$server_said"
}

table() # ROWS
{
    echo 'id,filler'
    awk -v rows="$1" 'BEGIN { for (i = 1; i <= rows; i++) printf "%d,%080d\n", i, i }'
}

workers()
{
    local pid
    for pid in $(processes_of "$RDD_TEST_CASE"); do
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -e '--rdd-worker' && echo "$pid"
    done
    true
}

journal_has() # BYTES
{
    [ "$(stat -c %s out.csv.journal 2>/dev/null || echo 0)" -ge "$1" ]
}

# In the background; gives $driver.
begin() # ARGUMENT…
{
    background "$api_call" in.csv out.csv "$@"
}

ended_with() # STATUS
{
    local status=0
    wait "$driver" || status=$?
    [ "$status" -eq "$1" ] && return
    echo "exit status $status instead of $1"
    sed 's/^/    /' "$err" | head -n 20
    return 1
}

# Whatever the number of executors, the rate is the same.
case_rate_of_a_cluster()
{
    local begun=$EPOCHREALTIME
    mirror
    table 120 >in.csv
    run 0 "$api_call" in.csv out.csv --url "$url/mirror/{id}" --rate 100/s --concurrency 8 \
        --master 'local-cluster[3,1]'
    lasted 1080 "$begun" # 1190 but for a tenth of a second's worth
    stop_server
    [ "$(requests)" -eq 120 ]
    only in.csv out.csv
}

# One executor is told to wait; the other one, which was not, waits too.
case_all_executors_wait()
{
    start_server "$build/examples/demo_api" --port 0 --throttle 8/s
    head -n 41 "$root/examples/data.csv" >in.csv
    run 0 "$api_call" in.csv out.csv --url "$url/countries/{code}" --retries 20 --concurrency 2 \
        --master 'local-cluster[2,1]'
    stop_server
    [ "$(grep -c ',200,,' out.csv)" -eq 40 ]
}

# A worker dies: only what had not reached the driver is called again.
case_a_worker_is_killed()
{
    mirror
    table 600 >in.csv
    begin --url "$url/gate/{id}?first=100" --concurrency 8 --master 'local-cluster[2,1]'
    until_true 60 journal_has 8000
    kill -KILL "$(workers | head -n 1)"
    gate open
    ended_with 0
    stop_server
    [ "$(grep -c ',200,,1$' out.csv)" -eq 600 ]
    [ "$(requests)" -ge 600 ]
    [ "$(requests)" -le $((600 + 2 * 8 + 64)) ]
    only in.csv out.csv
}

# Calls that must not be made twice are not: those under way say that nobody knows.
case_a_worker_is_killed_while_it_posts()
{
    local line
    mirror
    printf '%s\n' id {1..8} >in.csv # one partition
    begin --url "$url/gate/{id}" --method POST --body '{id}' --concurrency 4 \
        --master 'local-cluster[1,1]'
    read -r -u "$server_out" line # a call waits
    until_true 60 journal_has 150
    kill -KILL "$(workers)"
    kill -USR1 "$server"
    ended_with 1
    stop_server
    [ "$(requests)" -le 8 ]
    local unknown
    unknown=$(grep -c ',0,outcome unknown: ' out.csv)
    [ "$unknown" -ge 1 ] && [ "$unknown" -le 4 ]
    [ "$(grep -c ',200,,1$' out.csv)" -eq $((8 - unknown)) ]
}

case_the_driver_is_killed()
{
    local master
    mirror
    table 600 >in.csv
    gate open
    run 0 "$api_call" in.csv calm.csv --url "$url/gate/{id}"
    stop_server
    for master in 'local[2]' 'local-cluster[2,1]'; do
        mirror
        # The same address, or the calls are others.
        sed "s|$|,$url|; 1s|,http.*|,at|" in.csv >other.csv
        background "$api_call" other.csv out.csv --url "$url/gate/{id}?first=100" --concurrency 8 \
            --master "$master"
        until_true 60 journal_has 8000
        kill -KILL "$driver"
        wait "$driver" || true
        until_true 60 no_workers
        printf 'torn' >>out.csv.journal
        gate open
        run 0 "$api_call" other.csv out.csv --url "$url/gate/{id}?first=100" --resume --master "$master"
        stop_server
        [ "$(requests)" -ge 600 ]
        [ "$(requests)" -le $((600 + 2 * 8 + 2 * 64)) ]
        same <(cut -d, -f1,2,4- out.csv) calm.csv
        not test -e out.csv.journal
        rm -rf out.csv .out.csv* # with what the killed one left of its output
    done
}

# Answers of more than a journal's entry are kept in pieces.
case_large_answers()
{
    mirror
    table 60 >in.csv
    begin --url "$url/gate/{id}?first=20&more=600000" --concurrency 2 --master 'local-cluster[2,1]'
    until_true 60 journal_has 10000000
    kill -KILL "$driver"
    wait "$driver" || true
    until_true 60 no_workers
    gate open
    run 0 "$api_call" in.csv out.csv --url "$url/gate/{id}?first=20&more=600000" --resume
    stop_server
    [ "$(grep -c ',200,,1$' out.csv)" -eq 60 ]
    [ "$(wc -c <out.csv)" -gt 36000000 ]
    # 14 of the 20 that were answered were kept at the least, and four waited.
    [ "$(requests)" -le $((60 + 6 + 4)) ]
}

no_workers()
{
    [ -z "$(workers)" ]
}

case_interrupted()
{
    mirror
    table 400 >in.csv
    begin --url "$url/gate/{id}?first=100" --master 'local[2]'
    until_true 60 journal_has 5000
    # A shell's background children have ^C ignored; this is the other one.
    kill -TERM "$driver"
    ended_with 143
    says "$err" 'out.csv.journal: the same command with --resume goes on'
    gate open
    run 0 "$api_call" in.csv out.csv --url "$url/gate/{id}?first=100" --resume
    stop_server
    [ "$(requests)" -le $((400 + 2 * 16)) ]
    [ "$(grep -c ',200,,1$' out.csv)" -eq 400 ]
    only in.csv out.csv
}

# A failed run leaves its journal; its failures are tried again, its answers are not.
case_failed()
{
    mirror
    printf '%s\n' id 1 2 3 4 >in.csv
    run 1 "$api_call" in.csv out.csv --url "$url/flaky/1/{id}" --retries 0 --max-errors 0 \
        --concurrency 1
    run 0 "$api_call" in.csv out.csv --url "$url/flaky/1/{id}" --resume --conf http.backoff=1ms
    run 0 "$api_call" in.csv other.csv --url "$url/flaky/0/{id}"
    stop_server
    [ "$(requests)" -eq $((1 + 1 + 3 * 2 + 4)) ]
    only in.csv out.csv other.csv
}

case_journals_that_are_there()
{
    mirror
    table 2 >in.csv
    printf 'RDDJ\1\0\0\0\0\0\0\0\0\0\0\0' >out.csv.journal
    exec {lock}<out.csv.journal
    flock "$lock"
    run 1 "$api_call" in.csv out.csv --url "$url/mirror/{id}"
    says "$err" 'out.csv.journal is used by another run'
    exec {lock}<&-
    echo 'something of the users own' >mine
    run 1 "$api_call" in.csv out.csv --url "$url/mirror/{id}" --journal mine
    says "$err" 'mine is no journal of calls'
    echo 'something of the users own' | same - mine
    run 2 "$api_call" in.csv - --url "$url/mirror/{id}" --resume
    says "$err" 'say --journal FILE'
    printf 'RDDJ\1\0\0\0\0\0\0\0\0\0\0\0 and a record of an interrupted run' >out.csv.journal
    run 0 "$api_call" in.csv out.csv --url "$url/mirror/{id}"
    says "$err" 'out.csv.journal.old'
    stop_server
    only in.csv out.csv mine out.csv.journal.old
}

run_cases api_call_resume
