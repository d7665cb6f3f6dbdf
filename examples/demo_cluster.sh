#!/usr/bin/env bash
# What `ninja demo-cluster` runs: three nodes with an SSH server each and nothing else, made on this
# machine (tests/testbed), an API on a fourth, and one call for each row of a table. In the middle
# one node is killed. The result is that of one machine, and nothing stays.
#
#     examples/demo_cluster.sh [BUILD-DIR [options of api_call …]]
set -euo pipefail

cd "$(dirname "$0")/.."
build=${1:-build}
shift || true
out=$build/demo
mkdir -p "$out"
rows=$out/rows.csv
rm -f "$out/cluster.csv" "$out/one.csv"

# The countries again and again, with a number each.
awk -F, 'NR == 1 { print "row,code" } NR > 1 { codes[n++] = $2 }
    END { for (i = 0; i < 6000; i++) printf "%d,%s\n", i + 1, codes[i % n] }' examples/data.csv >"$rows"

RDD_TESTBED=$(tests/testbed up 3 --owner $$)
export RDD_TESTBED
trap 'tests/testbed down' EXIT
echo "Three nodes with an SSH server each; what they have in their home directories:"
tests/testbed list
for node in n1 n2 n3; do tests/testbed files "$node"; done

# The server says where it listens.
address=10.77.0.200
[ "$(cat "$RDD_TESTBED/mode")" = namespaces ] || address=127.0.0.1
exec {api}< <(exec tests/testbed server "$build/examples/demo_api" --address "$address" --latency-ms 50)
read -r -u "$api" line
url=${line##* }
echo
echo "An API at $url, and a table of $(($(wc -l <"$rows") - 1)) rows:"
head -3 "$rows"

# call OUT OPTION…
call() {
    tests/testbed run "$build/examples/api_call" "$rows" "$1" --url "$url/countries/{code}" "${@:2}"
}

# Somebody pulls a plug when calls have been made for some tasks, and others wait or are under way.
mkfifo "$RDD_TESTBED/events"
{
    calls=false ended=0
    while [ "$ended" -lt 3 ] && IFS= read -r line; do # line by line: a filter would gather them
        case $line in
        *'"event":"job_start"'*'"action":"save_csv"'*) calls=true ;;
        *'"event":"task_end"'*) ! $calls || ended=$((ended + 1)) ;;
        esac
    done
    tests/testbed kill n2 && echo "*** n2 was killed ***" >&2
    cat >/dev/null
} <"$RDD_TESTBED/events" &
events=$!

echo
echo "api_call $rows $out/cluster.csv --url '$url/countries/{code}' --master ssh://n1,n2,n3"
call "$out/cluster.csv" --master ssh://n1,n2,n3 --progress --event-log "$RDD_TESTBED/events" "$@"
wait "$events"
tests/testbed list

echo
echo "The same on one machine:"
call "$out/one.csv" --master 'local[*]' --concurrency 64
cmp "$out/cluster.csv" "$out/one.csv"
echo "The same bytes: $(wc -c <"$out/one.csv") in $(wc -l <"$out/one.csv") lines."
for node in n1 n3; do
    [ -z "$(tests/testbed ps "$node")" ] || { tests/testbed ps "$node"; exit 1; }
done
echo "No process is left on the nodes. The whole of the result: $out/cluster.csv"
