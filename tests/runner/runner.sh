#!/bin/bash
# only: release
# tests/run itself: a runner that loses a failure would make every other test worthless. It is
# copied into a tree of its own, with programs that end in every way a test can end.

set -u
cd "$(dirname "$0")/../.." || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT

# program NAME: a test program with its source, from stdin.
program()
{
    mkdir -p "$dir/tests/unit" "$dir/build/tests/unit"
    touch "$dir/tests/unit/$1_test.c"
    { echo '#!/bin/bash'; cat; } >"$dir/build/tests/unit/$1_test"
    chmod +x "$dir/build/tests/unit/$1_test"
}

script()
{
    mkdir -p "$dir/tests/script"
    { echo '#!/bin/bash'; cat; } >"$dir/tests/script/$1.sh"
    chmod +x "$dir/tests/script/$1.sh"
}

# expect NAME STATUS LAST_LINE PATTERN: runs the tests in the tree, then empties it.
expect()
{
    local output status last
    output=$(RDD_TEST_TIMEOUT=${seconds:-60} "$dir/tests/run" build 2>&1)
    status=$?
    last=$(tail -n 1 <<<"$output")
    if [ "$status" = "$2" ] && [ "$last" = "$3" ] && grep -q -- "$4" <<<"$output"; then
        echo "ok runner/$1"
    else
        echo "status $status, output:"
        sed 's/^/    /' <<<"$output"
        echo "not ok runner/$1"
    fi
    fresh
}

fresh()
{
    rm -rf "${dir:?}/tests" "$dir/build"
    mkdir -p "$dir/tests" "$dir/build/tests"
    cp tests/run "$dir/tests/run"
}

fresh
expect nothing 1 '0 passed, 0 failed' '^0 passed'

program good <<'END'
echo '[==========] Running 3 test(s).'
echo '[       OK ] a'
echo 'noise without a newline[       OK ] b'
echo '[  REASON  ] needs the moon' >&2
echo '[  SKIPPED ] c'
echo '[==========] 3 test(s) run.'
echo '[  PASSED  ] 2 test(s).'
echo '[  SKIPPED ] 1 test(s), listed below:'
echo '[  SKIPPED ] c'
END
script good <<'END'
echo 'ok one'
echo 'skip two no tool'
END
expect counts 0 '3 passed, 0 failed, 2 skipped' 'skipped: needs the moon'

program bad <<'END'
echo '[==========] Running 2 test(s).'
echo '[       OK ] a'
echo '[  ERROR   ] --- 1 != 2'
echo '[  FAILED  ] b'
echo '[==========] 2 test(s) run.'
echo '[  PASSED  ] 1 test(s).'
echo '[  FAILED  ] 1 test(s), listed below:'
echo '[  FAILED  ] b'
exit 1
END
script bad <<'END'
echo 'ok one'
echo 'why it failed'
echo 'not ok two'
END
expect failures 1 '2 passed, 2 failed' 'why it failed'

program crash <<'END'
echo '[       OK ] a'
kill -SEGV $$
END
expect crash 1 '1 passed, 1 failed' 'exit status 139'

# A leak is reported after the last case, as the exit status alone.
program leak <<'END'
echo '[       OK ] a'
exit 23
END
script leak <<'END'
echo 'ok one'
exit 1
END
expect status 1 '2 passed, 2 failed' 'exit status 23'

program hang <<'END' # says nothing: a slow machine might not come to it in that second
exec tail -f /dev/null
END
seconds=1 expect timeout 1 '0 passed, 1 failed' 'ended by the timeout of 1 s'

program empty <<'END'
exit 0
END
expect empty 1 '0 passed, 1 failed' 'no test case ran'

program stale <<'END'
echo '[  FAILED  ] a'
END
rm "$dir/tests/unit/stale_test.c"
script good <<'END'
echo 'ok one'
END
expect stale 0 '1 passed, 0 failed' 'script/good.sh'

# What a test starts gets SIGINT as from a terminal, and a directory that is removed.
script surroundings <<'END'
(trap 'echo "ok signal"; exit' INT; kill -INT $BASHPID; echo 'not ok signal')
touch "$TMPDIR/file" && echo "ok $TMPDIR"
[ "$RDD_BUILD" = build ] && [ "$1" = build ] && echo 'ok build'
END
expect surroundings 0 '3 passed, 0 failed' 'surroundings'
