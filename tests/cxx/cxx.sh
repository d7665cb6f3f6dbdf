#!/bin/bash
# only: release
# A driver program in C++, by both compilers and from C++11 to C++20, linked with the library as a
# user has it: it must compile without a warning and find what driver.txt says, on threads and on
# executors that are processes.

set -u
cd "$(dirname "$0")/../.." || exit 2
build=${1:-build}
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
libs=$(sed -n 's/^libs = //p' build.ninja | head -n 1)

warnings='-Wall -Wextra -Wconversion -Werror'

# try COMPILER STANDARD
try()
{
    local name=cxx/$1-$2 program=$dir/$1-$2 master output quiet=
    # Options that go by position leave members out, and clang tells of that in any header's macros.
    [[ $1-$2 == clang++-c++1* ]] && quiet=-Wno-missing-field-initializers
    if ! command -v "$1" >/dev/null; then
        echo "skip $name there is no $1"
        return
    fi
    if ! output=$("$1" "-std=$2" $warnings $quiet -O1 -pthread -Icore \
        tests/cxx/driver.cc "$build/librdd.a" -o "$program" -rdynamic -Wl,--build-id $libs 2>&1); then
        echo "$output" | head -n 30
        echo "not ok $name"
        return
    fi
    for master in 'local[2]' 'local-cluster[2,1]'; do
        if output=$("$program" --master "$master" 2>&1) && diff tests/cxx/driver.txt - <<<"$output"; then
            echo "ok $name-$master"
        else
            echo "$output" | tail -n 20
            echo "not ok $name-$master"
        fi
    done
}

if [ ! -f "$build/librdd.a" ]; then
    echo "not ok cxx ($build/librdd.a is not built)"
    exit 1
fi
for standard in c++11 c++17 c++20; do
    try g++ $standard
    try clang++ $standard
done
