#!/bin/bash
# Replays the stored corpus of every fuzz target: inputs that once failed, and good ones. Run by
# tests/run with the variant's directory.

set -u
cd "$(dirname "$0")/../.." || exit 2
build=${1:-build}

found=0
for target in "$build"/tests/fuzz/*_fuzz; do
    test=${target##*/}
    [ -x "$target" ] && [ -f "tests/fuzz/$test.c" ] || continue
    found=1
    inputs=("tests/fuzz/corpus/$test"/*)
    if [ ! -f "${inputs[0]}" ]; then
        echo "not ok corpus/$test (no input in tests/fuzz/corpus/$test/)"
    elif output=$("$target" "${inputs[@]}" 2>&1); then
        echo "ok corpus/$test"
    else
        echo "$output" | tail -n 60
        echo "not ok corpus/$test"
    fi
done
[ "$found" = 1 ] || echo "skip corpus no fuzz target is built"
