#!/bin/bash
# only: release
# The public header, alone: C by both compilers in gnu11 and gnu17 with every warning an error, and
# C++ files that only include it. Twice in each file, so that its guard is tested too.

set -u
cd "$(dirname "$0")/../.." || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT

# A copy, should the header ever call itself a system header: its warnings would be hidden.
sed '/#pragma GCC system_header/d' core/rdd.h >"$dir/rdd.h"
printf '#include <rdd.h>\n#include <rdd.h>\nint main(void) { return 0; }\n' >"$dir/alone.c"
printf '#include <rdd.h>\n#include <rdd.h>\nint main() { return 0; }\n' >"$dir/alone.cc"
warnings='-Wall -Wextra -Wconversion -Wpedantic -Wshadow -Werror'

# try COMPILER STANDARD FILE LANGUAGE
try()
{
    local name=header/$1-$2 output empty='int main() { return 0; }'
    if ! command -v "$1" >/dev/null; then
        echo "skip $name there is no $1"
    elif ! echo "$empty" | "$1" "-std=$2" -fsyntax-only -x "$4" - 2>/dev/null; then
        echo "skip $name $1 cannot do $2"
    elif output=$("$1" "-std=$2" $warnings -fsyntax-only -I"$dir" "$dir/$3" 2>&1); then
        echo "ok $name"
    else
        echo "$output" | head -n 40
        echo "not ok $name"
    fi
}

for standard in gnu11 gnu17; do
    try gcc $standard alone.c c
    try clang $standard alone.c c
done
for standard in c++11 c++17 c++20; do
    try g++ $standard alone.cc c++
    try clang++ $standard alone.cc c++
done
