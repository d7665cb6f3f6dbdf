#!/bin/bash
# only: release
# The examples of docs/event-log.md: each ```sh block that begins with jq, run over sample.jsonl,
# must print the ```text block that follows it.

set -u
cd "$(dirname "$0")/../.." || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT

cp tests/event_log/sample.jsonl "$dir/job.jsonl"
# 1.sh and 1.text, 2.sh and 2.text …
awk -v dir="$dir" '
    /^```sh$/ { getline; if ($1 == "jq") { n++; file = dir "/" n ".sh" } }
    /^```text$/ { getline; file = dir "/" n ".text" }
    /^```$/ { file = "" }
    file { print >file }' docs/event-log.md

if [ ! -f "$dir/1.sh" ]; then
    echo "not ok event_log/examples there are none in docs/event-log.md"
    exit
fi
for script in "$dir"/*.sh; do
    name=event_log/example-$(basename "$script" .sh)
    if ! command -v jq >/dev/null; then
        echo "skip $name there is no jq"
    elif (cd "$dir" && bash "$script") 2>&1 | diff "${script%.sh}.text" -; then
        echo "ok $name"
    else
        echo "not ok $name"
    fi
done
