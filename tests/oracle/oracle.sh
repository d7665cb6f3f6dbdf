#!/bin/bash
# Runs oracle_programs once for its models and once for every master, in both lifetime modes, and
# compares what they say, case by case: with the models, and, to the byte, with the first master.
# Prints a line per case and configuration. The seed is RDD_SEED, or a new one; it is printed.

set -u
cd "$(dirname "$0")/../.." || exit 2
build=${1:-build}
program=$build/tests/oracle/oracle_programs
seed=${RDD_SEED:-$((RANDOM * 32768 + RANDOM))}
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 143' TERM INT

echo "seed $seed (again with RDD_SEED=$seed)"
[ -x "$program" ] || { echo "not ok oracle ($program is not built)"; exit 1; }

# NAME OPTIONS... Splits of 1 KiB cut even small files into many partitions.
configurations=(
    'local1           --master local[1] --conf debug.lifetime=false'
    'local3           --master local[3] --conf debug.lifetime=false --conf input.split_size=1KiB'
    'local1-lifetime  --master local[1] --conf debug.lifetime=true --conf input.split_size=1KiB'
    'local3-lifetime  --master local[3] --conf debug.lifetime=true'
    'cluster          --master local-cluster[2,2] --conf debug.lifetime=false'
    'cluster-lifetime --master local-cluster[2,2] --conf debug.lifetime=true --conf input.split_size=1KiB'
    'remote           --master local-cluster[2,2] --conf debug.remote_files=true --conf input.split_size=1KiB'
)

# The thread sanitizer is slow and looks at threads.
case $build in
*tsan) configurations=("${configurations[1]}" "${configurations[3]}" "${configurations[4]}"
    "${configurations[6]}") ;;
esac
first=${configurations[0]%% *}

# run NAME OPTIONS...: what the program says, in $dir/NAME.out.
run()
{
    local name=$1 status
    shift
    "$program" --seed "$seed" "$@" >"$dir/$name.out" 2>"$dir/$name.err" </dev/null
    status=$?
    [ $status -eq 0 ] || echo "exit status $status" >"$dir/$name.status"
}

run oracle --oracle &
for configuration in "${configurations[@]}"; do
    [ "$(jobs -pr | wc -l)" -ge 2 ] && wait -n
    # shellcheck disable=SC2086
    run $configuration &
done
wait

# compare NAME: with the oracle and with the first configuration, case by case.
compare()
{
    awk -v name="$1" '
        /^== / { at = $2 "/" $3; if (file == 1) order[++count] = at; else seen[file, at] = 1; next }
        file != 1 && /^~/ { exact[file, at] = exact[file, at] $0 "\n"; next }
        { text[file, at] = text[file, at] $0 "\n" }
        function differ(a, b, what,    x, y, i, n, m) {
            n = split(a, x, "\n"); m = split(b, y, "\n")
            for (i = 1; i <= n || i <= m; i++)
                if (x[i] != y[i])
                    break
            print "  " what, "line", i ":", substr(x[i], 1, 400)
            print "  " name, "line", i ":", substr(y[i], 1, 400)
        }
        END {
            for (i = 1; i <= count; i++) {
                at = order[i]
                ok = 0
                if (!seen[3, at])
                    print "  " name, "never came to", at
                else if (text[1, at] != text[3, at])
                    differ(text[1, at], text[3, at], "oracle")
                else if (exact[2, at] != exact[3, at])
                    differ(exact[2, at], exact[3, at], "the first master")
                else
                    ok = 1
                print (ok ? "ok" : "not ok"), "oracle/" name "/" at
            }
        }' file=1 "$dir/oracle.out" file=2 "$dir/$first.out" file=3 "$dir/$1.out"
    if [ -f "$dir/$1.status" ]; then
        cat "$dir/$1.status"
        tail -n 40 "$dir/$1.err"
        echo "not ok oracle/$1/exit"
    fi
}

if [ -f "$dir/oracle.status" ]; then
    tail -n 40 "$dir/oracle.err"
    echo "not ok oracle/models"
fi
for configuration in "${configurations[@]}"; do
    compare "${configuration%% *}"
done
