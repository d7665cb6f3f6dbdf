#!/bin/bash
# only: release
# `rdd hosts check` and `rdd hosts clean` over real SSH servers: what is well, and every way in which
# it is not, with its step and what to do.
. "$(dirname "$0")/../script.bash"

rdd=$build/rdd
testbed=$root/tests/testbed

up()
{
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    command -v sshd /usr/sbin/sshd >/dev/null || skip "needs sshd (./bootstrap --ssh)"
    command -v ip /usr/sbin/ip >/dev/null || skip "needs ip"
    command -v nsenter >/dev/null || skip "needs nsenter"
    local case=$BASHPID
    RDD_TESTBED=$("$testbed" up "$@" --owner $case) || return 1
    export RDD_TESTBED
}

down()
{
    "$testbed" down
    [ ! -e "$RDD_TESTBED" ]
}

# Both ways, one after the other: each is to find the same.
both()
{
    local transport
    for transport in libssh2 openssh; do
        run "$1" "$testbed" run "$rdd" hosts "${@:2}" --conf ssh.transport=$transport
        after_each
    done
}

on()
{
    "$testbed" exec "$@"
}

# row HOST: its row, times as T and marks as they are.
row()
{
    grep "^$1  " "$out" | sed -E 's/  +/ /g; s/[0-9.]+ (ms|s)\b/T/g; s/[0-9.]+ processors?.*/node/'
}

# fails HOST ROW WORD…: its row, and the words in its line.
fails()
{
    local host=$1 row=$2 line word
    [ "$(row "$host")" = "$host $row" ] || { row "$host"; cat "$out"; return 1; }
    line=$(grep "^$host: " "$out")
    for word in "${@:3}"; do
        [[ $line == *"$word"* ]] || { echo "no '$word' in: $line"; return 1; }
    done
}

case_all_is_well()
{
    up 3
    after_each()
    {
        local name
        for name in n1 n2 n3; do
            [ "$(row $name)" = "$name T T T T T T T T node" ]
        done
        says "$out" '3 of 3 are well'
        [ ! -s "$err" ]
    }
    both 0 check n1,n2 n3
    # An idle node is left as it was: nothing runs on.
    until_true 60 no_node_process n1
    after_each() { says "$err" "n1: connecting with"; }
    both 0 check n1 --verbose
    down
}

no_node_process()
{
    [ -z "$("$testbed" ps "$1")" ]
}

case_not_reached()
{
    up 2
    "$testbed" cut n2
    after_each()
    {
        fails no.such.host '✗ · · · · · · ·' 'dns' 'no.such.host'
        fails n1:23 'T ✗ · · · · · ·' tcp refused
        fails n2 'T ✗ · · · · · ·' tcp 'is the machine up'
        [ "$(row n1)" = "n1 T T T T T T T T node" ]
        says "$out" '1 of 4 is well'
    }
    both 1 check no.such.host,n1,n1:23,n2 --conf ssh.connect_timeout=10s
    down
}

case_host_keys()
{
    up 3
    local known=$RDD_TESTBED/home/.ssh/known_hosts key
    key=$(grep '^n1,' "$known" | cut -d' ' -f2-)
    sed -i -e '/^n1,/d' -e "s|^n2,\([^ ]*\) .*|n2,\1 $key|" "$known"
    echo "@revoked * $(grep '^n3,' "$known" | cut -d' ' -f2-)" >>"$known"
    after_each()
    {
        fails n1 'T T T ✗ · · · ·' 'host key' accept-new
        fails n2 'T T T ✗ · · · ·' 'host key' changed ssh-keygen
        fails n3 'T T T ✗ · · · ·' 'host key' revoked
    }
    both 1 check n1,n2,n3
    cp "$known" before
    after_each()
    {
        [ "$(row n1)" = "n1 T T T T T T T T node" ]
        fails n2 'T T T ✗ · · · ·' 'host key'
        grep -qF "$key" "$known"
        [ "$(wc -l <"$known")" -eq $(($(wc -l <before) + 1)) ]
        cp before "$known"
    }
    both 1 check n1,n2 --conf ssh.host_key=accept-new
    down
}

case_not_let_in()
{
    up 1
    after_each() { fails nobody@n1 'T T T T ✗ · · ·' login nobody; }
    both 1 check nobody@n1
    down
}

# What the server runs instead, and what the login shell says before.
case_odd_shells()
{
    up 2
    on n1 sed -i 's/^/command="echo only this" /' /etc/ssh/authorized_keys
    on n2 sh -c 'yes "a line of the login shell" | head -n 100 >/home/node/.bashrc
        sed -i "s/^/echo /" /home/node/.bashrc'
    after_each()
    {
        fails n1 'T T T T T T ✗ ·' 'only this'
        [ "$(row n2)" = "n2 T T T T T T T T node" ]
    }
    both 1 check n1,n2
    down
}

case_no_directory()
{
    up 1
    on n1 sh -c 'chmod 555 /home/node; rm -rf /home/node/.cache
        mount -o remount,noexec /var/tmp; mount -o remount,noexec /dev/shm'
    after_each() { fails n1 'T T T T T T ✗ ·' directory; }
    both 1 check n1
    down
}

case_clean()
{
    up 2
    after_each() { prints 'n1: nothing to clean'; }
    both 0 clean n1
    local transport
    for transport in libssh2 openssh; do
        run 0 "$testbed" run "$rdd" hosts check n1
        until_true 60 no_node_process n1
        run 0 "$testbed" run "$rdd" hosts clean n1 --conf ssh.transport=$transport
        prints 'n1: /home/node/.cache/rdd: removed'
        [ -z "$("$testbed" files n1 | grep rdd)" ]
    done
    "$testbed" cut n2
    run 1 "$testbed" run "$rdd" hosts clean n1,n2 --conf ssh.connect_timeout=10s
    says "$out" 'n1: nothing to clean' 'n2: tcp: ' 'is the machine up'
    down
}

# The tool's own bundle goes, that of a program that runs stays, and the program goes on.
case_clean_beside_a_job()
{
    up 1
    run 0 "$testbed" run "$rdd" hosts check n1
    until_true 60 no_node_process n1
    "$testbed" run "$build/tests/faults/faulty" gather /tmp --master ssh://4/n1 >numbers 2>said &
    local job=$!
    until_true 60 on n1 test -e /tmp/here-0
    [ "$(on n1 ls /home/node/.cache/rdd/bundles | wc -l)" -eq 2 ]
    run 0 "$testbed" run "$rdd" hosts clean n1
    says "$out" 'n1: /home/node/.cache/rdd: ' 'in use'
    [ "$(on n1 ls /home/node/.cache/rdd/bundles | wc -l)" -eq 1 ]
    on n1 touch /tmp/go0
    wait $job || { cat said; return 1; }
    [ "$(wc -l <numbers)" -gt 0 ]
    until_true 60 no_node_process n1
    run 0 "$testbed" run "$rdd" hosts clean n1
    prints 'n1: /home/node/.cache/rdd: removed'
    down
}

run_cases hosts
