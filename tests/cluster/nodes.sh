#!/bin/bash
# only: release
# Nodes that are not as one would wish: empty, full, noisy, unwilling, unknown. Each works, or is
# refused in one line with the host, the step, and what to do.
. "$(dirname "$0")/cluster.bash"

# fails_on NODE TRANSPORT WORD…: a job on that node alone.
fails_on()
{
    local node=$1 transport=$2
    shift 2
    cluster 1 "$jobs" numbers 4 0 --master "ssh://$node" --conf ssh.transport=$transport \
        --conf nodes.wait=${PATIENCE:-60s}
    tail -n 1 "$err" >last
    says last 'jobs: ' "$node" "$@"
    [ "$(grep -c '^jobs: ' "$err")" -eq 1 ]
}

works_on()
{
    local node=$1 transport=$2
    run 0 "$jobs" numbers 4 0 --master 'local[1]'
    mv "$out" one
    cluster 0 "$jobs" numbers 4 0 --master "ssh://$node" --conf ssh.transport=$transport
    same one "$out"
}

# Nothing but busybox: no C library, no libcurl, no /etc/passwd. And when its cache is there already.
case_an_empty_node()
{
    local transport
    on n3 rm -rf /home/node/.cache
    for transport in "${TRANSPORTS[@]}"; do
        works_on n3 $transport
        [ ! -s "$err" ]
        works_on n3 $transport
        on n3 rm -rf /home/node/.cache
    done
}

case_a_noisy_login_shell()
{
    local transport
    on n1 sh -c 'printf "%s\n" "echo welcome to n1" "echo you have mail >&2" >/home/node/.bashrc
        chown node /home/node/.bashrc'
    for transport in "${TRANSPORTS[@]}"; do
        works_on n1 $transport
    done
    on n1 rm /home/node/.bashrc
}

case_a_forced_command()
{
    local transport
    on n1 cp /etc/ssh/authorized_keys /etc/ssh/before
    on n1 sed -i 's/^/command="echo no shell for you" /' /etc/ssh/authorized_keys
    for transport in "${TRANSPORTS[@]}"; do
        fails_on n1 $transport 'forced command'
    done
    on n1 cp /etc/ssh/before /etc/ssh/authorized_keys
}

# One that neither ends nor prints is known before jobs have waited long enough.
case_a_forced_command_that_waits()
{
    local transport PATIENCE=10s
    on n1 cp /etc/ssh/authorized_keys /etc/ssh/before
    on n1 sed -i 's/^/command="cat" /' /etc/ssh/authorized_keys
    for transport in "${TRANSPORTS[@]}"; do
        fails_on n1 $transport 'waited 10 s for the first executor' \
            'n1: its shell did not begin in 2 s: a forced command, or a login shell that waits?' 'HOST true'
    done
    on n1 cp /etc/ssh/before /etc/ssh/authorized_keys
}

case_a_full_disk()
{
    local transport
    on n1 rm -rf /home/node/.cache
    "$testbed" disk n1 256K
    for transport in "${TRANSPORTS[@]}"; do
        fails_on n1 $transport 'No space left'
    done
    "$testbed" disk n1 1G
    works_on n1 "${TRANSPORTS[0]}"
}

# Full to the last byte, when the program is there already, too; or not to be written at all.
case_a_disk_that_is_full_already()
{
    local transport path what
    for what in cold warm; do
        on n1,n3 rm -rf /home/node/.cache
        [ $what = cold ] || works_on n1 libssh2
        [ $what = cold ] || works_on n3 libssh2
        "$testbed" exec n1,n3 sh -c 'cat /dev/zero >/var/tmp/full' 2>/dev/null || :
        for transport in "${TRANSPORTS[@]}"; do
            fails_on n1 $transport 'the disk is full: /home/node' 'No space left on device; /var/tmp' \
                'make room there, or run `rdd hosts clean`'
            fails_on n3 $transport 'the disk is full: /home/node' 'No space left on device; /var/tmp'
        done
        on n1,n3 rm -f /var/tmp/full
    done
    works_on n1 libssh2
    works_on n3 libssh2
    for path in /home /var/tmp /dev/shm; do
        on n1 mount -o remount,bind,ro $path
    done
    for transport in "${TRANSPORTS[@]}"; do
        fails_on n1 $transport 'file system is read-only: /home/node' 'mount it for writing'
    done
    for path in /home /var/tmp /dev/shm; do
        on n1 mount -o remount,bind,rw $path
    done
}

# A disk on which nothing may run is none; with another directory that may, it works.
case_no_directory_to_run_from()
{
    local transport path
    on n1 rm -rf /home/node/.cache
    on n1 mount -o remount,bind,noexec /home
    for transport in "${TRANSPORTS[@]}"; do
        works_on n1 $transport
    done
    for path in /tmp /var/tmp /dev/shm; do
        on n1 mount -o remount,bind,noexec $path
    done
    start_clean
    for transport in "${TRANSPORTS[@]}"; do
        fails_on n1 $transport noexec
    done
    for path in /home /tmp /var/tmp /dev/shm; do
        on n1 mount -o remount,bind,exec $path
    done
}

# The first start says why, and is the last one; the tool says the same.
case_a_workdir_that_cannot_be_made()
{
    local transport master='ssh://n1 workdir=/nope/x'
    local why=('n1: starting: no directory for the tasks can be made in /nope/x (Permission denied)'
        'choose another with workdir=')
    for transport in "${TRANSPORTS[@]}"; do
        cluster 1 "$jobs" numbers 4 0 --master "$master" --conf ssh.transport=$transport \
            --conf nodes.wait=1h
        says "$err" "${why[@]}"
        not grep -q rdd_init "$err"
        cluster 1 "$build/rdd" hosts check 'n1 workdir=/nope/x' --conf ssh.transport=$transport
        says "$out" "${why[@]}"
        not grep -q rdd_init "$out"
    done
}

case_an_unknown_host_key()
{
    local transport known=$RDD_TESTBED/home/.ssh/known_hosts
    cp "$known" before
    sed -i /^n2,/d "$known"
    for transport in "${TRANSPORTS[@]}"; do
        fails_on n2 $transport 'host key'
    done
    # A key that belongs to somebody else.
    sed -n '/^n1,/s/^[^ ]*/n2,10.77.0.2/p' before >>"$known"
    for transport in "${TRANSPORTS[@]}"; do
        fails_on n2 $transport 'host key'
    done
    cp before "$known"
}

case_a_key_that_is_refused()
{
    local transport
    on n2 mv /etc/ssh/authorized_keys /etc/ssh/before
    on n2 touch /etc/ssh/authorized_keys
    for transport in "${TRANSPORTS[@]}"; do
        fails_on n2 $transport publickey
    done
    on n2 mv /etc/ssh/before /etc/ssh/authorized_keys
}

case_nobody_listens()
{
    local transport PATIENCE=1s
    "$testbed" kill n2
    for transport in "${TRANSPORTS[@]}"; do
        fails_on n2 $transport
        # The others do without it.
        cluster 0 "$jobs" numbers 4 0 --master ssh://n1,n2 --conf ssh.transport=$transport
    done
    "$testbed" revive n2
}

# Files that a power failure cut short: the program does not start from them, and is sent again.
case_a_damaged_cache()
{
    local transport
    run 0 "$jobs" numbers 4 0 --master 'local[1]'
    mv "$out" one
    for transport in "${TRANSPORTS[@]}"; do
        works_on n1 $transport
        on n1 sh -c 'truncate -s 5000 /home/node/.cache/rdd/files/*'
        cluster 0 "$jobs" numbers 4 0 --master ssh://n1 --conf ssh.transport=$transport --verbose
        same one "$out"
        says "$err" 'the program in its cache ended before it said anything: it is sent again'
        works_on n1 $transport
    done
}

# The node has no certificates of its own: those that the driver trusts come along.
case_https_on_an_empty_node()
{
    command -v openssl >/dev/null || skip "needs openssl"
    local transport at=10.77.0.200 server
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=server \
        -addext subjectAltName=IP:$at -keyout key.pem -out ca.pem 2>/dev/null
    echo '{"name":"France"}' >FR
    "$testbed" server openssl s_server -accept $at:4433 -cert ca.pem -key key.pem -WWW >server.log 2>&1 &
    server=$!
    until_true 60 "$testbed" run curl -fs --cacert ca.pem -o got https://$at:4433/FR
    printf '%s\n' id https://$at:4433/FR >in.csv
    for transport in "${TRANSPORTS[@]}"; do
        set -- "$build/examples/api_call" in.csv out.csv --retries 0 --master ssh://n3 \
            --conf ssh.transport=$transport
        CURL_CA_BUNDLE=$PWD/ca.pem cluster 0 "$@"
        says out.csv France
        cluster 1 "$@"
        says out.csv certificate
    done
    kill $server
}

# The disk fills up in the middle of a job that does not need it.
case_a_disk_that_fills_up()
{
    local transport
    run 0 "$jobs" numbers 4 0 --master 'local[1]'
    mv "$out" one
    for transport in "${TRANSPORTS[@]}"; do
        works_on n1 $transport # the program is there now
        begin "$jobs" wait 4 --master 'ssh://4/n1' --conf ssh.transport=$transport
        until_true 60 waiting 4
        go n1
        "$testbed" exec n1 sh -c 'cat /dev/zero >/var/tmp/full 2>/dev/null' || :
        ends_with 0
        same one "$out"
        on n1 rm -f /var/tmp/full
        tidy_up
    done
}

run_cluster_cases cluster-nodes --empty=n3
