# What script tests share. A script says
#
#     . "$(dirname "$0")/../script.bash"
#
# defines its cases as functions case_<name> and ends with `run_cases <topic>`. Each case runs in a
# subshell of its own that ends at the first command that fails, in an empty directory, with its own
# TMPDIR. Afterwards TMPDIR must be empty again and no process of the case may be left, which are
# known by a variable in their environment. A case that fails shows what it printed.
#
#   $root     the repository            $build    the variant's directory, as a full path
#   $work     the case's directory, where it starts
#   $out $err what the last `run` printed
#
# Cases begin with lines such as `run 0 "$build/examples/hello"` and go on with the checks below.

set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 2
build=$(cd "$root" && cd "${1:-build}" && pwd) || exit 2
unset RDD_MASTER
export LC_ALL=C.UTF-8

MASTERS=('local[1]' 'local[3]' 'local-cluster[2,2]')

scratch=$(mktemp -d "${TMPDIR:-/tmp}/rdd-script-XXXXXX") || exit 2
chmod 755 "$scratch" # for cases that give up their rights
at_exit=()
leave()
{
    local i
    for ((i = ${#at_exit[@]} - 1; i >= 0; i--)); do
        eval "${at_exit[i]}"
    done
    rm -rf "$scratch"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# -- Running and checking --------------------------------------------------------------------------

# run STATUS COMMAND…: what it prints goes to $out and $err; its exit status must be STATUS.
run()
{
    local expected=$1 status=0
    shift
    "$@" >"$out" 2>"$err" || status=$?
    [ "$status" -eq "$expected" ] && return 0
    echo "exit status $status instead of $expected: $*"
    sed 's/^/    stdout: /' "$out" | head -n 20
    sed 's/^/    stderr: /' "$err" | head -n 20
    return 1
}

# background COMMAND…: as `run`, but does not wait; the process is $driver. Both files are empty when
# it returns: what an earlier command said is not taken for this one's.
background()
{
    : >"$out" >"$err"
    # A shell's background command would not hear SIGINT.
    env --default-signal=INT,TERM,HUP "$@" >"$out" 2>"$err" &
    driver=$!
}

# says FILE WORD…: the file has each of the words, which are plain text.
says()
{
    local file=$1 word
    shift
    for word; do
        grep -qF -e "$word" "$file" && continue
        echo "'$word' is not in:"
        sed 's/^/    /' "$file" | head -n 20
        return 1
    done
}

# one_line WORD…: standard error is one line, and has the words.
one_line()
{
    if [ "$(wc -l <"$err")" -ne 1 ]; then
        echo "standard error is not one line but:"
        sed 's/^/    /' "$err" | head -n 20
        return 1
    fi
    says "$err" "$@"
}

# not COMMAND…: a line of its own with `!` would never end a case.
not()
{
    "$@" || return 0
    echo "should have failed: $*"
    return 1
}

# same FILE FILE
same()
{
    diff "$1" "$2" >"$scratch/diff" && return
    head -n 20 "$scratch/diff"
    return 1
}

# prints TEXT: standard output of the last run is exactly that.
prints()
{
    printf '%s\n' "$1" | diff - "$out"
}

# only NAME…: the case's directory holds these files and nothing else, hidden ones included.
only()
{
    diff <(printf '%s\n' "$@" | sed '/^$/d' | LC_ALL=C sort) <(LC_ALL=C ls -A "$work")
}

# skip REASON: ends the case.
skip()
{
    echo "$*" >"$scratch/skipped"
    exit 0
}

# until_true SECONDS COMMAND…: waits for what no event announces, in a process that is not ours to
# wait for. Only its failing depends on the time.
until_true()
{
    local deadline=$((SECONDS + $1 + 1))
    shift
    while ! "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.02
    done
}

# lasted MS SINCE: that long ago, at least, $EPOCHREALTIME was SINCE. A slow machine only adds to it.
lasted()
{
    local ms
    ms=$(awk "BEGIN { print int(1000 * ($EPOCHREALTIME - $2)) }")
    [ "$ms" -ge "$1" ] || { echo "it took $ms ms, less than $1"; return 1; }
}

# -- Processes -------------------------------------------------------------------------------------

# processes_of MARK: the processes whose environment has RDD_TEST_CASE=MARK. Zombies have none.
processes_of()
{
    (
        unset RDD_TEST_CASE # or grep and cut would be among them
        grep -lzsxF "RDD_TEST_CASE=$1" /proc/[0-9]*/environ | cut -d/ -f3
    )
}

no_process_of()
{
    [ -z "$(processes_of "$1")" ]
}

# -- Servers ---------------------------------------------------------------------------------------

# start_server COMMAND…: one that prints "listening on URL"; gives $url and $server. What it says at
# its end is in $server_said after stop_server.
start_server()
{
    local line
    server_said=$scratch/server-$RANDOM$RANDOM
    exec {server_out}< <(exec env -u RDD_TEST_CASE "$@" 2>"$server_said")
    server=$!
    read -r -u "$server_out" line
    url=${line##* }
}

stop_server()
{
    kill "$server"
    wait "$server"
    exec {server_out}<&-
}

# gate open|closed: the gate of mirror_api, which holds all calls until it is opened.
gate()
{
    local line
    case $1 in
    open) kill -USR1 "$server" ;;
    closed) kill -USR2 "$server" ;;
    esac
    while read -r -u "$server_out" line && [ "$line" != "$1" ]; do
        : # more calls that wait
    done
}

# -- All cases -------------------------------------------------------------------------------------

# run_case NAME: in this shell's own subshell.
run_case()
{
    local name=$1
    work=$scratch/$name.work out=$scratch/$name.out err=$scratch/$name.err
    export TMPDIR=$scratch/$name.tmp RDD_TEST_CASE=$$.$name
    mkdir -p "$work" "$TMPDIR"
    chmod 1777 "$TMPDIR"
    cd "$work" || exit 1
    set -eE
    trap 'echo "failed: ${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND" >>"$scratch/log"' ERR
    "case_$name"
    set +eE
    trap - ERR
    # The shell itself has the variable too.
    unset RDD_TEST_CASE
    if ! until_true 60 no_process_of "$$.$name"; then
        echo "processes are left:"
        ps -o pid,ppid,stat,args -p "$(processes_of "$$.$name" | paste -sd,)"
        exit 1
    fi
    if [ -n "$(ls -A "$TMPDIR")" ]; then
        echo "files are left in TMPDIR:"
        ls -lA "$TMPDIR"
        exit 1
    fi
}

# run_cases TOPIC: all functions case_*, or those whose name contains RDD_TEST_ONLY.
run_cases()
{
    local topic=$1 function name status left all_passed=true
    for function in $(declare -F | sed -n 's/^declare -f case_//p'); do
        name=$function
        [[ $name == *${RDD_TEST_ONLY:-}* ]] || continue
        rm -f "$scratch/skipped"
        (run_case "$name") >"$scratch/log" 2>&1
        status=$?
        if [ "$status" -ne 0 ]; then
            sed 's/^/    /' "$scratch/log"
            echo "not ok $topic/${name//_/-}"
        elif [ -e "$scratch/skipped" ]; then
            echo "skip $topic/${name//_/-} $(cat "$scratch/skipped")"
        else
            echo "ok $topic/${name//_/-}"
        fi
        [ "$status" -eq 0 ] || all_passed=false
        # What a failed case left behind must not disturb the next one.
        left=$(processes_of "$$.$name")
        [ -z "$left" ] || kill -KILL $left 2>/dev/null
        rm -rf "${scratch:?}/$name.work" "$scratch/$name.tmp"
    done
    $all_passed
}
