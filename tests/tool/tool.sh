#!/bin/bash
# The rdd command line tool, as far as it needs no other machine. tests/cluster/hosts.sh has the rest.
. "$(dirname "$0")/../script.bash"

rdd=$build/rdd
unset RDD_HOSTS

case_help_and_version()
{
    run 0 "$rdd" help
    says "$out" 'rdd hosts check [HOSTS]' 'rdd hosts clean [HOSTS]' 'rdd hosts list [HOSTS]' RDD_HOSTS
    [ ! -s "$err" ]
    cp "$out" help
    run 0 "$rdd" --help
    same help "$out"
    run 0 "$rdd" version
    prints "rdd $(sed -n 's/^version = //p' "$root/build.ninja")"
}

case_wrong_usage()
{
    run 2 "$rdd"
    one_line 'rdd hosts check n1,n2 is what to try first' 'rdd help'
    run 2 "$rdd" host
    one_line 'there is no command "host"; try rdd help'
    run 2 "$rdd" hosts
    one_line 'rdd hosts check, rdd hosts clean or rdd hosts list'
    run 2 "$rdd" hosts chek n1
    one_line 'rdd hosts check, rdd hosts clean or rdd hosts list'
    run 2 "$rdd" hosts list --all n1
    one_line '--all: there is no such option; try rdd help'
    run 2 "$rdd" hosts list
    one_line 'no hosts; give ssh://n1,4/n2'
    run 2 "$rdd" hosts check n1 n1
    one_line 'HOSTS: "n1": n1 is host number 1 (before) and host number 2'
    run 2 "$rdd" hosts list 'n[3-1]'
    one_line 'HOSTS: "n[3-1]": the range 3-1 counts down'
    run 1 "$rdd" hosts list @none
    one_line 'none: the hosts file cannot be read: No such file or directory'
    run 2 "$rdd" hosts list n1 --conf ssh.hostkey=yes
    one_line 'did you mean ssh.host_key?'
    [ ! -s "$out" ]
}

# What list prints is a hosts file, and means the same.
case_list()
{
    local expected='4/ada@n1:2222
n07
n08
[::1]:22
2/:
n9 identity="/my keys/k" jump="a,b@b:22" address=10.0.0.9'
    printf '# mine\nn9 identity="/my keys/k" jump="a,b@b:22" address=10.0.0.9\n' >more
    run 0 "$rdd" hosts list '4/ada@n1:2222,n[07-08]' ssh://[::1]:22 ': slots=2' @more
    prints "$expected"
    cp "$out" all
    run 0 "$rdd" hosts list @all
    prints "$expected"
    run 0 "$rdd" hosts list ssh:@all
    prints "$expected"
    run 0 "$rdd" hosts list --master ssh:@all
    prints "$expected"
    RDD_HOSTS=@all run 0 "$rdd" hosts list
    prints "$expected"
    RDD_HOSTS=a,b run 0 "$rdd" hosts list
    prints 'a
b'
}

# An executor is started here, and answers.
case_this_machine()
{
    run 0 "$rdd" hosts check :
    says "$out" 'host  ' 'this machine' ' processor' '1 of 1 is well'
    [ ! -s "$err" ]
    not grep -q '✗' "$out"
    run 0 "$rdd" hosts clean :
    prints 'this machine: nothing to clean'
}

# Names that cannot exist, with and without an ssh program: each host has its row, in order.
case_rows_in_order()
{
    run 1 "$rdd" hosts check 'n[01-20].invalid' --conf ssh.config=none
    [ "$(grep -c '^n[0-9]*\.invalid  *✗' "$out")" -eq 20 ]
    [ "$(grep -c '^n[0-9]*\.invalid: dns: ' "$out")" -eq 20 ]
    grep '✗' "$out" | cut -d. -f1 >rows
    printf 'n%02d\n' {1..20} >expected
    same expected rows
    says "$out" '0 of 20 are well'
}

run_cases tool
