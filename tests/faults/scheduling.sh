#!/bin/bash
# only: release
# Executors that come and go, stragglers and executors that fail, with whole programs: the result is
# that of an undisturbed run, and the event log says what was done about it.
. "$(dirname "$0")/../script.bash"

faulty=$build/tests/faults/faulty

calm()
{
    mkdir signs
    "$faulty" calm signs --master 'local[2]' >calm
    [ "$(wc -l <calm)" -eq 6000 ]
}

# begin ARGUMENT…: in the background, with an event log; gives $driver.
begin()
{
    background "$faulty" "$@" --event-log log
}

ends_well()
{
    wait "$driver" || { cat "$err"; return 1; }
    same calm "$out"
}

here()
{
    [ "$(ls signs | grep -c '^here-')" -ge "$1" ]
}

# logged EVENT N: at least so many of them.
logged()
{
    [ -f log ] && [ "$(grep -c "\"event\":\"$1\"" log)" -ge "$2" ]
}

# Four tasks that wait for each other need four executors, of which one is there at first.
case_executors_are_started_as_tasks_wait()
{
    calm
    begin gather signs --master 'local-cluster[5,1]' --conf executors.min=1 \
        --conf executors.max=4 --conf executors.backlog=10ms
    until_true 60 here 4
    touch signs/go0
    ends_well
    [ "$(grep -c '"event":"executor_start"' log)" -eq 4 ]
    not grep -q '"event":"executor_start","executor":4' log
}

# While one task goes on, the other executors have nothing to do.
case_idle_executors_are_released()
{
    calm
    begin straggle-once signs --master 'local-cluster[3,1]' --conf executors.min=1 \
        --conf executors.max=3 --conf executors.backlog=1ms --conf executors.idle=50ms
    until_true 60 logged executor_release 1
    touch signs/go0
    ends_well
    not grep -q '"event":"executor_lost"' log
}

# One that was released is started again when tasks wait again.
case_released_executors_are_started_again()
{
    calm
    begin gather signs --master 'local-cluster[4,1]' --conf executors.min=0 \
        --conf executors.max=4 --conf executors.backlog=1ms --conf executors.idle=1ms
    until_true 60 here 4
    touch signs/go0
    ends_well
}

# The task goes on until it is told to stop: without its second attempt the job has no end.
case_a_straggler_is_overtaken()
{
    calm
    run 0 "$faulty" straggle-once signs --master 'local-cluster[2,2]' --conf speculation=true \
        --event-log log
    same calm "$out"
    logged task_cancel 1
    # Where a machine is slow, others look as if they straggled.
    grep -qE '"copies":[1-9][0-9]*,"copies_won":[1-9]' log
    grep -q '"accepted":false' log
    rm -f signs/* log
    run 0 "$faulty" straggle-once signs out --master 'local-cluster[2,2]' --conf speculation=true \
        --event-log log
    same calm out
    logged task_cancel 1
    only calm out signs log
}

# Tasks that it fails run elsewhere, and it gets no more of them.
case_an_executor_that_fails_is_excluded()
{
    calm
    run 0 "$faulty" sick signs --master 'local-cluster[2,2]' --event-log log
    same calm "$out"
    grep -q 'gets no more tasks of stage 0: 3 failed there in a row while others succeeded' log
    grep -q '"excluded":1' log
}

case_settings_that_contradict()
{
    local words
    mkdir signs
    run 2 "$faulty" calm signs --master 'local-cluster[2,1]' --conf executors.min=3 \
        --conf executors.max=2
    says "$err" 'executors.min=3 is more than executors.max'
    for words in web web=0 'web=1 =2'; do
        run 2 "$faulty" calm signs --conf "scheduler.pools=$words"
        says "$err" "--conf scheduler.pools=$words: give words such as etl=1"
    done
    run 2 "$faulty" calm signs --conf speculation.multiplier=0.5
    says "$err" 'a number such as 1.5, at least 1'
    run 0 "$faulty" calm signs --conf scheduler.mode=fair --conf scheduler.pools='etl=1 web=3:2'
}

run_cases scheduling
