# What the benchmarks share: racing two commands, and the table. For scripts with `set -e` that have $rounds.

left=() right=() before=:

# race: runs the commands in $left and $right in turns, so that what slows the machine down for a while
# slows both. Gives $a and $b, the least first word each has printed. $right may be empty; the function
# $before runs before each of $left.
race() {
    local i
    a="" b=""
    for ((i = 0; i < rounds; i++)); do
        $before
        a=$(less "$a" "$("${left[@]}" | cut -d' ' -f1)")
        [ ${#right[@]} -eq 0 ] || b=$(less "$b" "$("${right[@]}" | cut -d' ' -f1)")
    done
}

less() { # of two numbers, the first of which may be missing
    awk -v x="$1" -v y="$2" 'BEGIN { print (x == "" || y + 0 < x + 0) ? y : x }'
}

# wall COMMAND…: seconds from exec to exit.
wall() {
    local begun=$EPOCHREALTIME
    "$@" >/dev/null
    awk "BEGIN { printf \"%.4f\\n\", $EPOCHREALTIME - $begun }"
}

row() { printf '%-46s %12s %14s %8s  %s\n' "$@"; }
ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }
rate() { awk "BEGIN { printf \"%.0f/s\", $1 / $2 }"; }
mib_rate() { awk "BEGIN { printf \"%.0f MiB/s\", $1 / $2 }"; }
