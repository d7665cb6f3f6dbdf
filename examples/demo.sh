#!/usr/bin/env bash
# What `ninja demo` runs: a small API over the countries of ISO 3166 on a free port, a CSV of country
# codes, one call for each row on all processors, and what came of it.
#
#     examples/demo.sh [BUILD-DIR [options of api_call …]]
set -euo pipefail

cd "$(dirname "$0")/.."
build=${1:-build}
shift || true
out=$build/demo
mkdir -p "$out"
result=$out/countries.csv

# The server says where it listens, and ends with this script, which waits for its last word.
coproc api { exec "$build/examples/demo_api" --port 0 --latency-ms 20 --until-eof; }
server=$api_PID
trap 'kill "$server" 2>/dev/null && wait "$server" || true' EXIT
read -r -u "${api[0]}" line
url=${line##* }

echo "An API at $url, and a table of $(($(wc -l <examples/data.csv) - 1)) country codes:"
head -4 examples/data.csv
echo
echo "build/examples/api_call examples/data.csv $result --url '$url/countries/{code}' --master local[*]"
"$build/examples/api_call" examples/data.csv "$result" --url "$url/countries/{code}" \
    --master 'local[*]' --concurrency 16 --explain --progress "$@"
echo
echo "The first rows of the result:"
head -4 "$result"
echo
echo "The whole of it: $result"
