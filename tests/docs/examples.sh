#!/bin/bash
# only: release
# What the pages show is true: whole programs compile as docs/guide.md says and run on every master,
# pieces of code compile, commands run, and links and ninja targets are there.

. "$(dirname "$0")/../script.bash"

pages=("$root/README.md" "$root/CONTRIBUTING.md" "$root"/docs/*.md)

# blocks WHOLE PAGE…: C blocks of pages to files block-N.c; those that begin with an #include, or the
# others.
blocks()
{
    local whole=$1
    shift
    perl -0ne 'BEGIN { $whole = shift } while (/^```(\w*)\n(.*?)^```$/gms) {
                   my ($language, $text) = ($1, $2);
                   next if $language ne "c" || ($text =~ /^#include/ ? 1 : 0) != $whole;
                   open my $file, ">", sprintf("block-%02d.c", ++$n) or die;
                   print $file $text;
               }' "$whole" "$@"
}

# compile ARGUMENT…: with the command of the guide, in this tree.
compile()
{
    local command
    command=$(tr '\n' ' ' <"$root/docs/guide.md" | sed -n 's/.*`\(cc -Icore x\.c [^`]*\)`.*/\1/p')
    [ -n "$command" ] || { echo 'docs/guide.md does not say how to compile'; return 1; }
    command=${command/-Icore x.c/-I"$root/core" $*}
    ${command/build\/librdd.a/"$build/librdd.a"} -Wall -Wextra -Werror
}

case_programs()
{
    local file master
    cp "$root/README.md" .
    blocks 1 "$root/README.md" "$root/docs/guide.md"
    [ "$(ls block-*.c | wc -l)" -eq 2 ]
    for file in block-*.c; do
        compile "$file" -o "${file%.c}"
    done
    for master in "${MASTERS[@]}"; do
        run 0 ./block-01 --master "$master"
        tr -s ' \t' '\n\n' <README.md | grep . | sort | uniq -c | sort >expected
        sort "$out" | sed 's/ *\([0-9]\)/\1/' >found
        sed 's/ *\([0-9]\)/\1/' expected | sort | diff - <(sort found)
        run 0 ./block-02 --master "$master"
        prints 332833500
    done
}

# Definitions stay outside, statements go into a function that has the names which the text takes for
# granted. A definition begins with RDD_ and goes to the end of its line, or to a } of its own.
pieces()
{
    echo '#include <rdd.h>'
    cat block-*.c | perl -ne '
        if ($inside || /^RDD_/) {
            print;
            $inside = /^RDD_[^{]*$/ && !/;\s*$/ && !/;\s*\/\*/ || ($inside && !/^\}/);
        }'
    echo 'void print(sale s);'
    echo 'void use(rdd_context *ctx, rdd *rows, rdd *lines, rdd *events, rdd *sales);'
    echo 'void use(rdd_context *ctx, rdd *rows, rdd *lines, rdd *events, rdd *sales) {'
    echo '(void)ctx, (void)rows, (void)lines, (void)events, (void)sales;'
    local block
    for block in block-*.c; do
        echo '{'
        perl -ne '
            if ($inside || /^RDD_/) {
                $inside = /^RDD_[^{]*$/ && !/;\s*$/ && !/;\s*\/\*/ || ($inside && !/^\}/);
            } else { print }' "$block"
        echo '}'
    done
    echo '}'
}

case_pieces_of_code()
{
    local page
    for page in "$root/README.md" "$root/docs/guide.md"; do
        rm -f block-*.c
        blocks 0 "$page"
        pieces >pieces.c
        [ "$page" = "$root/docs/guide.md" ] || sed -i '/^void print/d' pieces.c
        grep -q '^rdd_' pieces.c || grep -q '^rdd \*' pieces.c
        compile -c pieces.c -o pieces.o || { cat -n pieces.c; return 1; }
    done
}

# commands PROGRAM: as they stand in blocks without a language, one a line.
commands()
{
    perl -0ne 'while (/^```(\w*)\n(.*?)^```$/gms) { print $2 if $1 eq "" || $1 eq "sh" }' \
        "${pages[@]}" | grep "^$1 "
}

# in_tree COMMAND: runs it at the root; other builds have other programs.
in_tree()
{
    cd "$root" && eval "${1//build\/examples/"$build/examples"}"
}

case_commands()
{
    local line
    commands build/examples/hello >hello
    [ "$(wc -l <hello)" -ge 2 ]
    while read -r line; do
        run 0 in_tree "$line"
        says "$out" 16
    done <hello
}

case_under_the_hood()
{
    local page=$root/docs/under-the-hood.md line
    line=$(commands build/examples/forum_pool)
    run 0 in_tree "$line"
    grep -A 3 '^collect (' "$page" >plan
    [ "$(wc -l <plan)" -eq 4 ]
    cat "$out" "$err" | grep -A 3 '^collect (' | same plan /dev/stdin
    [ "$(grep -c '^row [0-9]*: partition [0-9]*, process [0-9]*$' "$out")" -eq 12 ]
}

# The host of the page is nobody's: the call goes to a server of ours.
case_calling_an_api()
{
    local line
    line=$(commands build/examples/api_call | grep -v ' --master ssh:')
    [ -n "$line" ]
    printf 'id\n1\n2\n' >data.csv
    start_server "$build/tests/examples/mirror_api"
    line=${line//https:\/\/api.example\/v1/$url\/mirror}
    run 0 eval "${line//build\/examples/"$build/examples"}"
    [ "$(wc -l <out.csv)" -eq 3 ]
    stop_server
}

case_ninja_targets()
{
    local target
    (cd "$root" && ninja -t targets all) | cut -d: -f1 | sort -u >targets
    # As a command: at the beginning of a line, in backticks, or behind &&.
    grep -hoE '(^|`|&& )ninja [a-z][^`#&]*' "${pages[@]}" |
        sed 's/.*ninja //' | tr ' ' '\n' | grep -E '^[a-z]' | sort -u >named
    [ "$(wc -l <named)" -ge 8 ]
    comm -23 named targets >unknown
    [ ! -s unknown ] || { echo 'not in build.ninja:'; cat unknown; return 1; }
}

case_links()
{
    local page link
    for page in "${pages[@]}"; do
        grep -oE '\]\([^)#]+' "$page" | sed 's/](//' | grep -v '^https\?:' | while read -r link; do
            [ -e "$(dirname "$page")/$link" ] || echo "$page: there is no $link"
        done
    done >broken
    [ ! -s broken ] || { cat broken; return 1; }
}

# Files that pages name in backticks, and programs by the name of their source; no patterns.
case_files()
{
    grep -hoE '`(core|executor|scheduler|examples|tests|docs)/[A-Za-z0-9_/.-]+`' "${pages[@]}" |
        tr -d '`' | sort -u | while read -r file; do
        [ -e "$root/$file" ] || [ -e "$root/$file.c" ] || echo "there is no $file"
    done >missing
    [ ! -s missing ] || { cat missing; return 1; }
}

run_cases docs/examples
