#!/bin/bash
# only: release
# The testbed itself: what the cluster tests and the people who try things at home rely on.
. "$(dirname "$0")/../script.bash"

testbed=$root/tests/testbed

# No case may leave anything behind: no testbed outlives its case, so each makes its own in TMPDIR.
up()
{
    local case=$BASHPID
    RDD_TESTBED=$("$testbed" up "$@" --owner $case) || return 1
    export RDD_TESTBED
}

down()
{
    "$testbed" down
    [ ! -e "$RDD_TESTBED" ]
    unset RDD_TESTBED
}

on()
{
    "$testbed" run ssh -o ConnectTimeout=60 "$@"
}

# away NODE: it cannot be reached.
away()
{
    run 255 "$testbed" run ssh -o ConnectTimeout=2 "$1" true
}

# With root or without, as the rest of this machine sees the testbed.
needs_root()
{
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    needs_programs
}

needs_programs()
{
    command -v sshd /usr/sbin/sshd >/dev/null || skip "needs sshd (./bootstrap --ssh)"
    command -v ip /usr/sbin/ip >/dev/null || skip "needs ip"
    command -v nsenter >/dev/null || skip "needs nsenter"
}

case_hosts_share_nothing()
{
    needs_root
    up 3
    run 0 "$testbed" list
    prints 'n1 10.77.0.1 up
n2 10.77.0.2 up
n3 10.77.0.3 up'
    local name
    for name in n1 n2 n3; do
        run 0 on $name hostname
        prints $name
        on $name 'mkdir -p .cache && for d in .cache /tmp /var/tmp /dev/shm; do
            hostname >$d/mark; done; test ! -e '"$root"'; ! touch /usr/mark 2>/dev/null'
    done
    for name in n1 n2 n3; do
        run 0 "$testbed" files $name
        prints '/dev/shm/mark
/home/node/.cache
/home/node/.cache/mark
/tmp/mark
/var/tmp/mark'
        run 0 on $name cat .cache/mark /tmp/mark /var/tmp/mark /dev/shm/mark
        [ "$(sort -u "$out")" = $name ]
    done
    run 0 "$testbed" run sh -c 'echo $RDD_HOSTS'
    prints n1,n2,n3
    "$testbed" disk n2 64K
    not on n2 'head -c 100000 /dev/zero >/var/tmp/large' 2>/dev/null
    on n1 'head -c 100000 /dev/zero >/var/tmp/large'
    down
}

case_processes_are_seen()
{
    needs_root
    up 2
    run 0 "$testbed" ps n1
    [ ! -s "$out" ]
    on n1 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & exec 0<&- 1>&- 2>&-'
    until_true 60 sleeps n1 # the session may end before its child is that program
    run 0 "$testbed" ps n2
    [ ! -s "$out" ]
    down
}

sleeps()
{
    [ "$("$testbed" ps "$1" | cut -d' ' -f2-)" = 'sleep sleep 1000' ]
}

case_an_empty_node()
{
    needs_root
    busybox --help >/dev/null 2>&1 || skip "needs a static busybox (./bootstrap --ssh)"
    up 2 --empty=n2
    run 0 on n2 'echo /* $HOME; ls -A /home/node /tmp; cat /proc/sys/kernel/hostname'
    prints '/bin /dev /home /proc /tmp /var /home/node
/home/node:

/tmp:
n2'
    run 0 on n1 'test -d /usr/bin'
    not on n2 'test -e /usr -o -e /etc -o -e /lib -o -e /lib64'
    down
}

case_kill_and_revive()
{
    needs_root
    up 2
    on n1 'echo kept >.kept; echo lost >/tmp/lost'
    "$testbed" run ssh -o ServerAliveInterval=1 -o ServerAliveCountMax=5 n1 \
        'echo ready; exec sleep 1000' >session 2>&1 &
    local session=$!
    until_true 60 grep -q ready session
    "$testbed" kill n1
    not wait $session
    run 0 "$testbed" list
    prints 'n1 10.77.0.1 dead
n2 10.77.0.2 up'
    away n1
    not "$testbed" exec n1 true 2>/dev/null
    "$testbed" revive n1
    run 0 on n1 'cat .kept; ls /tmp'
    prints kept
    run 0 "$testbed" ps n1
    [ ! -s "$out" ]
    down
}

case_cut_and_heal()
{
    needs_root
    up 1
    mkfifo words
    "$testbed" run ssh n1 cat <words >echoed &
    exec 7>words
    echo one >&7
    until_true 60 grep -q one echoed
    "$testbed" cut n1
    echo two >&7
    away n1
    run 0 "$testbed" list
    prints 'n1 10.77.0.1 cut'
    not grep -q two echoed
    "$testbed" heal n1
    until_true 60 grep -q two echoed
    exec 7>&-
    wait $!
    down
}

# A command that `run` starts is the process that the caller knows, with his directory and streams.
case_run_and_server()
{
    needs_root
    up 1
    run 0 "$testbed" run bash -c 'cat; echo $PWD ~ $(readlink /proc/self/exe) >&2' <<<'standard input'
    prints 'standard input'
    [ "$(cat "$err")" = "$PWD $RDD_TESTBED/home $(readlink -f "$(command -v readlink)")" ]
    "$testbed" run sleep 1000 &
    until_true 60 grep -qx sleep /proc/$!/comm
    kill $!
    not wait $!
    start_server "$testbed" server "$build/examples/demo_api" --address 10.77.0.200 --quiet
    run 0 "$testbed" run curl -fsS "$url/countries/FR"
    says "$out" '"France"'
    run 0 on n1 "curl -fsS http://server:${url##*:}/countries/FR"
    says "$out" '"France"'
    not curl -fsS --max-time 1 "$url/countries/FR" 2>/dev/null
    stop_server
    down
}

# gone DIR: no process has anything to do with it.
gone()
{
    ! grep -lzsqF -e "$1" /proc/[0-9]*/environ /proc/[0-9]*/cmdline
}

ended()
{
    ! kill -0 "$1" 2>/dev/null
}

# Whatever ends first, all ends.
case_nothing_is_left()
{
    needs_root
    local kind dir holder owner
    for kind in holder owner down; do
        sleep infinity &
        owner=$!
        dir=$("$testbed" up 2 --owner $owner)
        export RDD_TESTBED=$dir
        holder=$(cut -d' ' -f1 "$dir/holder")
        on n1 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & exec 0<&- 1>&- 2>&-'
        "$testbed" run sleep 1000 2>/dev/null &
        case $kind in
        holder)
            kill -KILL "$holder"
            until_true 60 ended "$holder" # with all that is below it
            dir=$("$testbed" up 1) # which removes what the other left
            [ ! -e "$RDD_TESTBED" ]
            "$testbed" --dir "$dir" down
            ;;
        owner) kill -KILL $owner ;;
        down) "$testbed" down ;;
        esac
        until_true 60 test ! -e "$RDD_TESTBED"
        kill -KILL $owner 2>/dev/null || :
        unset RDD_TESTBED dir
    done
    # Of nothing that a user sees: no interface, no named namespace, no mount.
    not grep -q rdd-testbed /proc/mounts
    not ip -o link show bridge 2>/dev/null
}

case_an_interrupted_start()
{
    needs_root
    local i
    for i in 0.001 0.05 0.15 0.3; do
        env --default-signal=INT setsid -w timeout -s INT $i "$testbed" up 3 --dir "$TMPDIR/bed" \
            >/dev/null 2>&1 || :
        # It may be going away by itself just now.
        [ ! -e "$TMPDIR/bed" ] || "$testbed" --dir "$TMPDIR/bed" down || :
        until_true 60 gone "$TMPDIR/bed"
    done
}

case_several_at_once()
{
    needs_root
    local one two
    one=$("$testbed" up 1)
    two=$("$testbed" up 1)
    "$testbed" --dir "$one" run ssh n1 touch /tmp/one
    run 0 "$testbed" --dir "$two" files n1
    [ ! -s "$out" ]
    run 1 "$testbed" list
    one_line 'several testbeds' "$one" "$two"
    "$testbed" --dir "$one" down
    run 0 "$testbed" list
    prints 'n1 10.77.0.1 up'
    "$testbed" down
}

case_mistakes()
{
    run 1 "$testbed" list
    one_line 'there is no testbed; make one'
    run 1 "$testbed" up
    one_line 'how many nodes'
    run 1 "$testbed" up 0
    one_line '"0" is neither'
    run 1 "$testbed" --dir "$work" list
    one_line 'is not a testbed'
}

# As somebody without rights, who has a home directory.
case_without_root()
{
    needs_programs
    if [ "$(id -u)" -eq 0 ]; then
        mkdir home && chown 61234:61234 home
        (cat /etc/passwd && echo "plain:x:61234:61234::$PWD/home:/bin/bash") >passwd
        run 0 unshare -m bash -c 'mount --bind passwd /etc/passwd &&
            exec setpriv --reuid 61234 --regid 61234 --clear-groups env HOME="$PWD/home" "$@"' - \
            bash -c "set -e; testbed=$testbed; $(declare -f without_root); without_root"
    else
        without_root >"$out"
    fi
    prints 'n1 127.0.0.2 up
n2 127.0.0.3 up
cache n1
sleep sleep 1000
n1 127.0.0.2 up
n2 127.0.0.3 cut
n1 127.0.0.2 dead
n2 127.0.0.3 up
back'
}

without_root()
{
    dir=$("$testbed" up 2)
    trap '"$testbed" --dir "$dir" down' EXIT
    "$testbed" list
    "$testbed" run ssh n1 'echo cache $(basename $(dirname $XDG_CACHE_HOME))'
    "$testbed" run ssh n1 'sleep 1000 >/dev/null 2>&1 </dev/null & exec 0<&- 1>&- 2>&-'
    until "$testbed" ps n1 | grep -q 'sleep  *sleep'; do sleep 0.02; done
    "$testbed" ps n1 | sed 's/^ *[0-9]* *//; s/  */ /g'
    "$testbed" cut n2
    "$testbed" list
    "$testbed" heal n2
    "$testbed" kill n1
    "$testbed" list
    "$testbed" revive n1
    "$testbed" run ssh n1 echo back
    [ -z "$("$testbed" ps n1)" ]
}

run_cases testbed
