#!/bin/bash
# The plans of golden_plans.c, as text and as Graphviz, against the files beside it. UPDATE_GOLDEN=1
# writes the files anew; read the difference before you commit it. Where dot is installed, it must
# take what is for it.

set -u
cd "$(dirname "$0")/../.." || exit 2
build=${1:-build}
program=$build/tests/golden/golden_plans
dir=tests/golden

[ -x "$program" ] || { echo "not ok golden ($program is not built)"; exit 1; }

# golden NAME FORM
golden()
{
    local file=$dir/$1.$2 got
    if ! got=$("$program" "$1" "--explain=${2/txt/text}" 2>&1); then
        echo "$got"
        echo "not ok golden/$1.$2"
        return
    fi
    [ -n "${UPDATE_GOLDEN:-}" ] && echo "$got" >"$file"
    if [ "$2" = dot ] && command -v dot >/dev/null && ! dot -Tplain <<<"$got" >/dev/null; then
        echo "not ok golden/$1.dot"
    elif diff -u "$file" - <<<"$got"; then
        echo "ok golden/$1.$2"
    else
        echo "not ok golden/$1.$2"
    fi
}

for name in $("$program"); do
    golden "$name" txt
    golden "$name" dot
done
# A file whose plan is gone.
for file in "$dir"/*.dot; do
    name=$(basename "$file" .dot)
    "$program" | grep -qx "$name" || echo "not ok golden/$name (there is no such plan)"
done
