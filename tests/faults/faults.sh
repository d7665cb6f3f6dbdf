#!/bin/bash
# only: release
# User code that crashes, hangs and leaves processes behind, and processes that are killed from
# outside: the result is that of an undisturbed run, or the job fails with the first cause.
# Afterwards no process and no temporary file is left (run_case looks for them).
. "$(dirname "$0")/../script.bash"

faulty=$build/tests/faults/faulty
cluster='local-cluster[2,2]'

# calm: what comes out of an undisturbed run, as files.
calm()
{
    mkdir signs
    "$faulty" calm signs --master 'local[2]' >calm
    [ "$(wc -l <calm)" -eq 6000 ]
}

# again: takes down the signs of the last run.
again()
{
    rm -f signs/*
}

# says_crash KIND: the report of a crash, once. Nobody knows whose fault a SIGKILL was, when the other
# slot of the worker had a task too.
says_crash()
{
    [ "$(grep -c "rdd: worker " "$err")" -eq 1 ] || { cat "$err"; return 1; }
    says "$err" "${WORDS[$1]}" '; a new one is started'
    [ "$1" = kill ] || says "$err" ' in map work (tests/faults/faulty.c:' ', partition 1'
}

# -- Crashes ---------------------------------------------------------------------------------------

declare -A WORDS=(
    [segv]='rdd: worker crashed: SIGSEGV at address'
    [abort]='rdd: worker crashed: SIGABRT'
    [exit]='rdd: worker crashed: exit(3) was called'
    [kill]='rdd: worker was killed by signal 9 (SIGKILL)'
    [overflow]='(the stack overflowed)'
)

case_crash_once()
{
    local kind
    calm
    for kind in segv abort exit kill overflow; do
        run 0 "$faulty" $kind-once signs --master "$cluster"
        same calm "$out"
        says_crash $kind
        again
        run 0 "$faulty" $kind-once signs out --master "$cluster"
        same calm out
        again
    done
    only calm out signs
}

# Each costs its own partition one attempt and the others none: two attempts are enough. Two that
# crash their worker at the same time are one crash.
case_crash_thrice()
{
    local kind crashes
    calm
    for kind in segv abort exit kill; do
        run 0 "$faulty" $kind-thrice signs --master "$cluster" --conf task.attempts_max=2
        same calm "$out"
        crashes=$(grep -c "${WORDS[$kind]}" "$err")
        [ "$crashes" -ge 1 ] && [ "$crashes" -le 3 ]
        only calm signs
        again
    done
}

# Partition 0 loses its worker twice at least and is not to blame.
case_innocent_neighbours()
{
    local kind
    calm
    for kind in segv exit abort; do
        run 0 "$faulty" $kind-thrice-beside signs --master 'local-cluster[1,4]' \
            --conf task.attempts_max=2
        same calm "$out"
        [ "$(grep -c "${WORDS[$kind]}" "$err")" -eq 3 ]
        again
    done
}

case_crash_always()
{
    local kind
    mkdir signs
    for kind in segv abort exit kill fail; do
        run 1 "$faulty" $kind-always signs out --master "$cluster" --conf task.attempts_max=3
        tail -n 1 "$err" >last
        says last 'faulty: failed 3 times, first: ' 'work (tests/faults/faulty.c:' \
            'partition 1'
        not grep 'before it was ready' "$err"
        case $kind in
        segv) says last SIGSEGV ;;
        abort) says last SIGABRT ;;
        exit) says last 'exit(3) was called' ;;
        kill) says last 'signal 9 (SIGKILL)' ;;
        fail) says last 'this one was meant to fail; the record is 150; record 50' ;;
        esac
        [ "$(grep -c '^faulty: ' "$err")" -eq 1 ]
        only signs last
        again
    done
}

# In the driver's own process there is nothing to save.
case_crash_on_threads()
{
    mkdir signs
    run 139 bash -c '"$@"; exit $?' - "$faulty" segv-always signs --master 'local[2]'
    says "$err" 'rdd: ' SIGSEGV 'map work (tests/faults/faulty.c:' 'partition 1'
    run 134 bash -c '"$@"; exit $?' - "$faulty" abort-always signs --master 'local[2]'
    says "$err" 'rdd: ' SIGABRT 'map work (tests/faults/faulty.c:' 'partition 1'
    run 3 "$faulty" exit-always signs --master 'local[2]'
    says "$err" 'rdd: exit(3) was called in map work (tests/faults/faulty.c:' 'partition 1'
    run 1 "$faulty" exit0-thrice signs --master 'local[3]'
    one_line 'rdd: exit(0) was called in map work (tests/faults/faulty.c:' ', partition '
    run 1 timeout -s KILL 60 "$faulty" unthread-always signs --master 'local[2]'
    one_line 'rdd: pthread_exit() was called in map work (tests/faults/faulty.c:' 'partition 1'
}

# Their stacks are larger than that. The cause is said, and nothing about rdd_init.
case_workers_without_threads()
{
    mkdir signs
    run 1 bash -c 'ulimit -v 60000; exec "$@"' - "$faulty" calm signs --master "$cluster"
    tail -n 1 "$err" >last
    says last "worker ended: a slot's thread could not be started: "
    not grep rdd_init "$err"
}

# As Python's subprocess can start it: nobody could wait for a child.
case_ignored_children()
{
    local master
    calm
    for master in "${MASTERS[@]}"; do
        run 0 env --ignore-signal=CHLD "$faulty" calm-piped signs --master "$master"
        same calm "$out"
        same /dev/null "$err"
    done
    only calm signs
}

case_failing_records()
{
    local master
    calm
    for master in "${MASTERS[@]}"; do
        again
        run 0 "$faulty" fail-thrice signs --master "$master" --conf task.attempts_max=2
        same calm "$out"
        run 1 "$faulty" fail-always signs --master "$master" --conf task.attempts_max=1
        one_line 'faulty: operator work (tests/faults/faulty.c:' 'this one was meant to fail' \
            'the record is 150' 'record 50 of partition 1'
    done
}

# -- What does not end by itself -------------------------------------------------------------------

# A child in a session of its own, which holds what it inherited, ends with its executor.
case_stray_processes()
{
    local master
    calm
    for master in "$cluster" 'local-cluster[1,1]'; do
        again
        run 0 "$faulty" stray-thrice signs out --master "$master"
        same calm out
        [ ! -s "$err" ]
    done
    again
    run 0 "$faulty" stray-once signs --master "$cluster"
    same calm "$out"
    only calm out signs
}

case_a_task_that_is_deaf()
{
    mkdir signs
    run 1 "$faulty" deaf signs out --master "$cluster" --conf task.attempts_max=1 \
        --conf task.kill_grace=50ms
    says "$err" 'faulty: operator deaf (tests/faults/faulty.c:' 'the first cause' 'partition 0'
    [ "$(grep -c '^faulty: ' "$err")" -eq 1 ]
    only signs
}

# -- Killed from outside ---------------------------------------------------------------------------

# begin WHAT ARGUMENT…: in the background; gives $driver.
begin()
{
    background "$faulty" "$@"
}

# children_of PID NAME: those whose name it is.
children_of()
{
    local pid
    for pid in $(cat /proc/"$1"/task/*/children); do
        [ "$(cat /proc/"$pid"/comm)" != "$2" ] || echo "$pid"
    done
}

guardians()
{
    children_of "$driver" rdd-guardian
}

supervisors()
{
    local guardian
    for guardian in $(guardians); do
        children_of "$guardian" rdd-supervisor
    done
}

workers()
{
    local supervisor
    for supervisor in $(supervisors); do
        children_of "$supervisor" rdd-worker
    done
}

# here N: N partitions wait.
here()
{
    [ "$(ls signs | grep -c '^here-')" -ge "$1" ]
}

ends_with()
{
    local status=0
    wait "$driver" || status=$?
    [ "$status" -eq "$1" ] && return
    echo "exit status $status instead of $1"
    cat "$err"
    return 1
}

case_kill_a_worker()
{
    calm
    local output
    for output in '' out; do
        again
        begin gather signs $output --master "$cluster"
        until_true 60 here 4
        kill -KILL $(workers | head -n 1)
        touch signs/go0
        ends_with 0
        same calm "${output:-$out}"
        says "$err" 'worker was killed by signal 9 (SIGKILL)'
    done
}

case_kill_all_workers()
{
    calm
    begin gather signs out --master "$cluster"
    until_true 60 here 4
    [ "$(workers | wc -l)" -eq 2 ]
    kill -KILL $(workers)
    touch signs/go0
    ends_with 0
    same calm out
    only calm out signs
}

case_kill_a_supervisor()
{
    calm
    begin gather signs out --master "$cluster"
    until_true 60 here 4
    kill -KILL $(supervisors | head -n 1)
    touch signs/go0
    ends_with 0
    same calm out
    only calm out signs
}

case_kill_all_supervisors()
{
    calm
    begin gather signs out --master "$cluster"
    until_true 60 here 4
    kill -KILL $(supervisors)
    touch signs/go0
    ends_with 0
    same calm out
    only calm out signs
}

# strays_here N: so many have said their numbers.
strays_here()
{
    [ "$(ls signs | grep -c '^stray-')" -eq "$1" ]
}

gone()
{
    local pid
    for pid; do
        [ ! -e "/proc/$pid/exe" ] || return 1
    done
}

# What has a session of its own is not in any group that could be killed, and is nobody's child: it
# ends with its supervisor, or with the guardian of that.
case_strays_of_a_killed_supervisor()
{
    calm
    local victims left
    for victims in supervisors guardians; do
        again
        begin gather-stray signs out --master "$cluster"
        until_true 60 here 4
        until_true 60 strays_here 4
        mapfile -t left < <(ls signs | sed -n 's/^stray-//p')
        kill -KILL $($victims)
        until_true 60 gone "${left[@]}"
        touch signs/go0
        ends_with 0
        same calm out
    done
    only calm out signs
}

# A stopped supervisor does not hear that its driver is gone: its guardian does.
case_kill_the_driver_of_supervisors_that_hang()
{
    mkdir signs
    begin gather-stray signs --master "$cluster"
    until_true 60 here 4
    kill -STOP $(supervisors)
    kill -KILL "$driver"
    ends_with 137
    until_true 60 no_process_of "$RDD_TEST_CASE"
}

# The same while files of the driver are read and written through streams.
case_kill_with_files_open()
{
    local which remote='--conf debug.remote_files=true'
    calm
    seq -f %08.0f 0 5999 >numbers
    for which in worker workers supervisor supervisors; do
        again
        begin gather-file signs out --master "$cluster" $remote
        until_true 60 here 4
        case $which in
        worker) kill -KILL $(workers | head -n 1) ;;
        workers) kill -KILL $(workers) ;;
        supervisor) kill -KILL $(supervisors | head -n 1) ;;
        supervisors) kill -KILL $(supervisors) ;;
        esac
        touch signs/go0
        ends_with 0
        same calm out
        only calm numbers out signs
    done
}

# A stopped supervisor is silent, and given up after executor.timeout.
case_a_supervisor_that_hangs()
{
    calm
    begin gather signs out --master "$cluster" --conf executor.heartbeat=100ms \
        --conf executor.timeout=2s
    until_true 60 here 4
    local silent
    silent=$(supervisors | head -n 1)
    kill -STOP "$silent"
    touch signs/go0
    ends_with 0
    kill -CONT "$silent" 2>/dev/null || : # if it was not killed
    same calm out
}

# Everything below the driver hears that it is gone. What it had begun to write goes with the next
# save to the same name.
case_kill_the_driver()
{
    calm
    begin gather signs out --master "$cluster"
    until_true 60 here 4
    local ours
    mapfile -t ours < <(processes_of "$RDD_TEST_CASE")
    [ "${#ours[@]}" -eq 7 ]
    kill -KILL "$driver"
    ends_with 137
    until_true 60 no_process_of "$RDD_TEST_CASE"
    not ls out
    again
    touch signs/go0
    run 0 "$faulty" gather signs out --master "$cluster"
    same calm out
    only calm out signs
}

# -- Interrupted -----------------------------------------------------------------------------------

# To the driver alone, and to all of its group, as a terminal does it.
case_interrupt()
{
    mkdir signs
    local signal status target
    while read -r signal status target; do
        again
        for master in "${MASTERS[@]}"; do
            again
            set -m
            begin gather signs out --master "$master"
            set +m
            if [ "$master" = 'local[1]' ]; then
                until_true 60 here 1
            else
                until_true 60 here 3
            fi
            if [ "$target" = twice ]; then # as timeout(1) does
                kill -"$signal" "$driver" "$driver" # at once: it may have ended by the next command
            else
                kill -"$signal" $target"$driver"
            fi
            ends_with "$status"
            one_line_at_most
            only signs
        done
    done <<'END'
INT 130
INT 130 -
TERM 143
TERM 143 twice
HUP 129
HUP 129 -
END
}

one_line_at_most()
{
    # a machine that is slow may say that it is
    [ "$(grep -cv '; another signal ends at once$' "$err")" -le 1 ] || { cat "$err"; return 1; }
}

# taken: the signals that were sent have been delivered.
taken()
{
    not_pending "$driver" SigPnd && not_pending "$driver" ShdPnd
}

not_pending()
{
    grep -q "^$2:[[:space:]]*0*\$" "/proc/$1/status"
}

# One more ^C; what comes right behind the first is taken for the same.
interrupted_again()
{
    kill -INT "$driver" 2>/dev/null
    [ ! -e "/proc/$driver/exe" ]
}

# Tasks that do not listen: the first ^C waits for them, the second does not.
case_a_second_interrupt()
{
    mkdir signs
    local master
    for master in 'local[2]' "$cluster"; do
        again
        begin deaf-alone signs --master "$master" --conf task.kill_grace=1h
        until_true 60 test -e signs/deaf-0
        kill -INT "$driver"
        until_true 60 taken
        until_true 60 grep -qx 'rdd: cancelling what runs; another signal ends at once' "$err"
        [ -e "/proc/$driver/exe" ]
        until_true 60 interrupted_again
        ends_with 130
        until_true 60 no_process_of "$RDD_TEST_CASE"
    done
}

# One ^C ends a deaf task after task.kill_grace.
case_an_interrupted_task_that_is_deaf()
{
    mkdir signs
    begin deaf-alone signs out --master "$cluster" --conf task.kill_grace=50ms
    until_true 60 test -e signs/deaf-0
    kill -INT "$driver"
    ends_with 130
    only signs
}

# -- Calls -----------------------------------------------------------------------------------------

case_kill_workers_that_call()
{
    local victim line
    seq 200 | sed 's/.*/&,row &/; 1i id,text' >in.csv
    start_server "$build/tests/examples/mirror_api"
    run 0 "$build/examples/api_call" in.csv calm.csv --url "$url/mirror/{id}"
    sed -i 's/mirror/gate/' calm.csv
    for victim in worker supervisor; do
        background "$build/examples/api_call" in.csv out.csv --url "$url/gate/{id}" --master "$cluster"
        read -r -u "$server_out" line
        [ "$line" = 'a call waits' ]
        if [ $victim = worker ]; then
            kill -KILL $(workers)
        else
            kill -KILL $(supervisors)
        fi
        gate open
        ends_with 0
        same calm.csv out.csv
        rm out.csv
        gate closed
    done
    stop_server
    only in.csv calm.csv
}

# An operator is given few records at a time when they take long, or nobody would hear an interrupt.
case_interrupt_what_is_slow()
{
    local master
    mkdir signs
    for master in "${MASTERS[@]}"; do
        begin plod signs --master "$master" --conf task.kill_grace=1h
        until_true 60 steps 12
        kill -INT "$driver"
        ends_with 130
        not steps 600 # of 6,000; it takes 15 s to get there
        rm -r signs && mkdir signs
    done
}

steps() # N: that many were begun, at least
{
    [ "$(ls signs | wc -l)" -ge "$1" ]
}

case_interrupt_calls()
{
    local line master signal
    seq 200 | sed '1i id' >in.csv
    start_server "$build/tests/examples/mirror_api"
    for master in "${MASTERS[@]}"; do
        background "$build/examples/api_call" in.csv out.csv --url "$url/gate/{id}" --master "$master"
        read -r -u "$server_out" line
        kill -INT "$driver"
        ends_with 130
        only in.csv
        gate open
        gate closed
    done
    stop_server
}

run_cases faults
