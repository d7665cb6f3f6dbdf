#!/bin/bash
# only: release
# The rules of the house that a machine can check, so that they cannot rot. Prints the places that
# break a rule, and `ok` or `not ok` per rule.

set -u
cd "$(dirname "$0")/../.." || exit 2
shopt -s nullglob
export LC_ALL=C.UTF-8

library=(core/*.[ch] executor/*.[ch] scheduler/*.[ch])
code=("${library[@]}" examples/*.[ch] tests/*.[ch] tests/*/*.[ch] tests/*/*.cc)
scripts=(bootstrap .ci/run examples/*.sh tests/run tests/testbed tests/bench/cluster tests/*/run tests/*/*.sh)
ninja_files=(build.ninja variant.ninja core/core.ninja executor/executor.ninja
    scheduler/scheduler.ninja examples/examples.ninja tests/tests.ninja)

# check NAME COMMAND...: what the command prints breaks the rule.
check()
{
    local name=tidy/$1 found
    shift
    found=$("$@")
    if [ -n "$found" ]; then
        echo "$found"
        echo "not ok $name"
    else
        echo "ok $name"
    fi
}

# Every include of ours, as `file:line:name`.
includes_of()
{
    grep -nHoE '^#include "[^"]+"' "$@" /dev/null | sed -E 's/#include "([^"]+)"/\1/'
}

# A file of folder $1 may include the headers of the folders that follow, by their plain names.
arrows_of()
{
    local folder=$1 file line name at
    shift
    includes_of "$folder"/*.[ch] | while IFS=: read -r file line name; do
        for at; do
            [ -f "$at/$name" ] && continue 2
        done
        echo "$file:$line: $folder/ must not include \"$name\" (it may use: $*)"
    done
}

arrows_point_down()
{
    arrows_of core core
    arrows_of executor executor core
    arrows_of scheduler scheduler executor core
    arrows_of examples examples
}

# -Icore lets an example reach more than rdd.h.
examples_use_the_public_header()
{
    local headers
    headers=$(cd core && printf '%s\n' *.h | grep -vx 'rdd\.h' | paste -sd '|')
    grep -nE "^#include <($headers)>" examples/*.[ch] /dev/null
}

# With one name in two folders, an include would mean either.
names_are_unique()
{
    printf '%s\n' "${library[@]##*/}" | sort | uniq -d | sed 's/$/: this file is in two folders/'
}

# A source is on a line of its folder's ninja file, or the folder's own script compiles it.
sources_are_built()
{
    local file folder
    for file in core/*.c executor/*.c scheduler/*.c examples/*.c; do
        folder=${file%%/*}
        grep -qE ": cc $file( |\$)" "$folder/$folder.ninja" ||
            echo "$file: not in $folder/$folder.ninja"
    done
    for file in tests/*/*.c tests/*/*.cc; do
        grep -qE ": (cc|cxx) $file( |\$)" tests/tests.ninja && continue
        grep -qsF -e "${file##*/}" -e '*.c' "${file%/*}"/*.sh "${file%/*}"/run ||
            echo "$file: not in tests/tests.ninja, and no script beside it compiles it"
    done
}

# What is compiled is also linked and listed: each object twice, once built and once used.
objects_are_used()
{
    local folder object
    for folder in core executor scheduler examples tests; do
        sed -nE 's/^build (\$b\/[^ ]+\.o): (cc|cxx) .*/\1/p' "$folder/$folder.ninja" |
            while read -r object; do
                [ "$object" = "\$b/tests/fuzz/replay.o" ] && continue
                [ "$(grep -cF "$object" "$folder/$folder.ninja")" -ge 2 ] ||
                    echo "$folder.ninja: $object is built and not used"
            done
    done
}

# vendor HEADER PATTERN: in the library, only files that match may include it.
vendor()
{
    grep -lE "^#include <$1>" "${library[@]}" | grep -vE "^($2)\$" |
        sed "s|\$|: <$1> belongs into $2|"
}

# one_includer HEADER: the same, for whichever single file it is.
one_includer()
{
    local files
    files=$(grep -lE "^#include <$1>" "${library[@]}")
    [ "$(echo "$files" | wc -l)" -le 1 ] || echo "<$1> has more than one includer:" $files
}

vendors_have_one_includer()
{
    vendor 'curl/curl\.h' 'executor/http[a-z_]*\.c'
    vendor 'csv\.h' 'executor/csv[a-z_]*\.c'
    vendor 'microhttpd\.h' 'scheduler/ui[a-z_]*\.c'
    vendor 'libssh2\.h' 'scheduler/transport_libssh2[a-z_]*\.[ch]'
    vendor 'openssl/[a-z]+\.h' 'scheduler/known_hosts[a-z_]*\.c'
    vendor 'zlib\.h' 'executor/[a-z]*put_gzip\.c'
    vendor 'zstd\.h' 'executor/[a-z]*put_zstd\.c'
    one_includer 'lz4\.h'
    # Control messages and rows are not one file, so whoever uses cJSON says so in its head.
    local file
    for file in $(grep -lE '^#include <(cjson/)?cJSON\.h>' "${library[@]}"); do
        sed '/\*\//q' "$file" | grep -q cJSON || echo "$file: uses cJSON, its head does not say so"
    done
}

banned_calls()
{
    local calls='strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|atoi|atol|atof'
    grep -nE "(^|[^A-Za-z0-9_])($calls) *\(" "${code[@]}"
}

# Spelled in two parts, so that this file passes too.
unfinished_work()
{
    grep -nwE 'TO''DO|FIX''ME|XX''X|HA''CK' "${code[@]}" "${scripts[@]}" "${ninja_files[@]}" \
        README* CONTRIBUTING* docs/*
}

long_lines()
{
    grep -nE '^.{111,}' "${code[@]}" |
        sed -E 's/^([^:]*:[^:]*:)(.{60}).*/\1 over 110 columns: \2.../'
}

long_files()
{
    wc -l "${code[@]}" | awk '{ most = $2 ~ /^tests\// ? 1000 : 600 }
        $2 != "total" && $2 != "core/rdd.h" && $1 > most {
        print $2 ": " $1 " lines; over " most " it is two files" }'
}

stray_whitespace()
{
    grep -nE '[[:blank:]]$' "${code[@]}" "${scripts[@]}" "${ninja_files[@]}"
    grep -nP '\t' "${code[@]}" "${scripts[@]}" "${ninja_files[@]}" | cut -c 1-120
    local file
    for file in "${code[@]}" "${scripts[@]}"; do
        [ -z "$(tail -c 1 "$file")" ] || echo "$file: no newline at its end"
    done
}

headers_say_what_they_are()
{
    local file
    for file in core/*.h executor/*.h scheduler/*.h; do
        head -n 1 "$file" | grep -qF "/* ${file##*/}: " ||
            echo "$file: does not open with a comment \"${file##*/}: ...\""
    done
}

versions_agree()
{
    local version
    version=$(sed -n 's/^version = //p' build.ninja)
    grep -q "RDD_VERSION \"$version\"" core/rdd.h ||
        echo "core/rdd.h: RDD_VERSION is not build.ninja's $version"
    grep -q "^soname = librdd.so.${version%%.*}\$" build.ninja ||
        echo "build.ninja: soname does not fit version $version"
}

check arrows arrows_point_down
check examples examples_use_the_public_header
check names names_are_unique
check built sources_are_built
check used objects_are_used
check vendors vendors_have_one_includer
check banned banned_calls
check unfinished unfinished_work
check line-length long_lines
check file-length long_files
check whitespace stray_whitespace
check header-comments headers_say_what_they_are
check version versions_agree
