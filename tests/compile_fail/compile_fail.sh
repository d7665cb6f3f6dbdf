#!/bin/bash
# only: release
# A newcomer's likely mistakes, one per file here: both compilers must refuse each with -Wall and no
# more, and the first error must be about the user's file and hold the words that the file's head
# expects. What is right must compile, or else the refusals would prove nothing.

set -u
cd "$(dirname "$0")/../.." || exit 2
dir=tests/compile_fail
export LC_ALL=C    # plain quotes in messages
# As the installed header is found.
flags="-std=gnu17 -Wall -isystem core -fsyntax-only"

# refuse COMPILER FILE
refuse()
{
    local name=compile_fail/$1/$(basename "$2" .c) words output first
    words=$(sed -n "s/^ \* $1: //p" "$2")
    if output=$($1 $flags "$2" 2>&1); then
        echo "  $2 compiles"
        echo "not ok $name"
        return
    fi
    first=$(grep -m1 -E '(error|fatal error):' <<<"$output")
    if [ -z "$words" ] || [[ $first != "$2":*"$words"* ]]; then
        echo "  expected: $2: … $words"
        echo "  got: $first"
        echo "not ok $name"
        return
    fi
    echo "ok $name"
}

# The same code without its mistake.
right=$(cat <<'END'
#include <rdd.h>
RDD_PAIR(word_count, rdd_str, int64_t);
RDD_STRUCT(person, (int64_t, age), (rdd_str, name));
RDD_STRUCT(scale, (double, factor), (rdd_str, label));
RDD_REDUCE(add, int64_t, a, b) { return a + b; }
RDD_FLAT_MAP(split, rdd_str, line, word_count) { rdd_emit((word_count){ line, 1 }); }
RDD_MAP(scaled, int64_t, x, double, scale) { return (double)x * env->factor; }
RDD_MAP_PARTITIONS(copy, rdd_str, in, rdd_str) { for (rdd_str x; rdd_next(in, &x);) rdd_emit(x); }
rdd *right(rdd_context *ctx, const person *people)
{
    size_t count;
    rdd *numbers = rdd_parallelize(ctx, int64_t, ((int64_t[]){ 1, 2 }), 2, .partitions = 2);
    const int64_t *items = rdd_collect(numbers, int64_t, &count);
    (void)rdd_reduce(numbers, int64_t, add);
    rdd_map(numbers, RDD_WITH(scaled, .factor = (double)items[0], .label = RDD_STR("pounds")));
    rdd *lines = rdd_map_partitions(rdd_empty(ctx, rdd_str), copy);
    rdd_flat_map(lines, split, .concurrency = 4);
    return rdd_parallelize(ctx, person, people, 1);
}
END
)

for compiler in gcc clang; do
    if ! command -v $compiler >/dev/null; then
        echo "skip compile_fail/$compiler there is no $compiler"
        continue
    fi
    if output=$($compiler $flags -Wall -Wextra -Werror -x c - <<<"$right" 2>&1); then
        echo "ok compile_fail/$compiler/right"
    else
        echo "$output" | head -n 20
        echo "not ok compile_fail/$compiler/right"
    fi
    for file in $dir/*.c; do
        refuse $compiler "$file"
    done
done
