#!/bin/bash
# only: release
# `ninja install`, and what a stranger does next: a program built with pkg-config and nothing else,
# against the shared library and against the static one. The install command is taken out of ninja
# and run by a shell, because this script may itself be running under ninja.

set -u
cd "$(dirname "$0")/../.." || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
cc=${CC:-gcc}

# check NAME COMMAND...
check()
{
    local name=install/$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "ok $name"
    else
        echo "$output" | tail -n 40
        echo "not ok $name"
    fi
}

install_to()
{
    DESTDIR=$1 PREFIX=$2 sh -c "$(ninja -t commands -s install)"
}

# pkg-config with no other rdd in sight.
rdd_flags()
{
    PKG_CONFIG_PATH=$dir/prefix/lib/pkgconfig pkg-config "$@" rdd
}

files_are_there()
{
    local root=$dir/stage/usr file
    for file in include/rdd.h bin/rdd lib/librdd.a lib/librdd.so lib/librdd.so.0 \
        lib/pkgconfig/rdd.pc; do
        [ -f "$root/$file" ] || { echo "$root/$file is not there"; return 1; }
    done
    # The description names where the files will be, not where they were staged.
    grep -qx 'prefix=/usr' "$root/lib/pkgconfig/rdd.pc" &&
        ! grep -F "$dir" "$root/lib/pkgconfig/rdd.pc"
}

# Nothing but the public names, in either library.
only_public_names()
{
    local names
    names=$(nm -g --defined-only "$dir/prefix/lib/librdd.a"
        nm -D --defined-only "$dir/prefix/lib/librdd.so") || return 1
    names=$(echo "$names" | awk 'NF == 3 && $3 !~ /^rdd_/ { print $3 }')
    [ -z "$names" ] || { echo "not public: $names"; return 1; }
}

cat >"$dir/my.c" <<'END'
#include <rdd.h>

RDD_MAP(square, int64_t, x, int64_t)
{
    return x * x;
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    printf("%lld of %s\n", (long long)rdd_count(rdd_map(rdd_range(ctx, 0, 1000), square)), argv[1]);
    return rdd_finish(ctx);
}
END

# The program keeps its own argument; --master is ours.
runs()
{
    local output
    output=$(LD_LIBRARY_PATH=$dir/prefix/lib "$1" --master 'local[1]' mine) || return 1
    [ "$output" = "1000 of mine" ] || { echo "it printed: $output"; return 1; }
}

shared()
{
    $cc "$dir/my.c" -o "$dir/shared" $(rdd_flags --cflags --libs) && runs "$dir/shared" &&
        readelf -d "$dir/shared" | grep -q 'NEEDED.*librdd\.so\.0'
}

# Where only the static library is installed, -lrdd is that one.
static()
{
    rm -f "$dir"/prefix/lib/librdd.so*
    $cc "$dir/my.c" -o "$dir/static" $(rdd_flags --cflags --libs --static) && runs "$dir/static" &&
        ! readelf -d "$dir/static" | grep 'NEEDED.*librdd'
}

check destdir install_to "$dir/stage" /usr
check files files_are_there
check prefix install_to '' "$dir/prefix"
check tool "$dir/prefix/bin/rdd" version
check names only_public_names
check shared shared
check static static
