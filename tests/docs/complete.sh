#!/bin/bash
# only: release
# docs/api.md is complete and true: each public function, macro and option of core/rdd.h is in it,
# each setting of core/conf.c with its default, and no name that the header does not have.

. "$(dirname "$0")/../script.bash"

page=$root/docs/api.md header=$root/core/rdd.h settings=$root/core/conf.c

# Names that end in _ are the library's own.
functions()
{
    perl -0ne 's|/\*.*?\*/||gs;
               print "$1\n" while /RDD_PUBLIC\b[^;(]*\(?\b(rdd_[a-z0-9_]*[a-z0-9])\)?\s*\(/g;
               print "$1\n" while /static inline \w+ (rdd_[a-z0-9_]*[a-z0-9])\(/g' "$header"
}

macros()
{
    sed -nE 's/^#define ((RDD|rdd)_[A-Za-z0-9_]*[A-Za-z0-9])\(.*/\1/p' "$header"
}

# The members of rdd_…_options, which calls take as `.name = value`; those of .http are settings.
options()
{
    perl -0ne 's|/\*.*?\*/||gs;
               while (/struct rdd_(?:\w+_)?options \{(.*?)\}/gs) {
                   next if $& =~ /rdd_http_options \{/;
                   (my $members = $1) =~ s/^.*[ *]site_;//m;
                   print ".$1\n" while $members =~ /(\w+)[;,]/g;
               }' "$header"
}

# Each setting as the page has it: | `key` | default |
conf_rows()
{
    perl -0ne 's/#ifdef RDD_DEBUG_LIFETIME.*?#else//gs; s/#endif//g;
               print "| `$1` | ", length $2 ? $2 : "(none)", " |\n"
                   while /\{ "([a-z_.]+)", CONF_\w+,\s*"([^"]*)"/g' "$settings"
}

# names FILE LEAST: what came on standard input goes to FILE; fewer than LEAST is a search that broke.
names()
{
    sort -u >"$1"
    [ "$(wc -l <"$1")" -ge "$2" ] || { echo "only $(wc -l <"$1") in $1"; return 1; }
}

# on_page FILE PATTERN: each line of FILE is among what PATTERN finds on the page.
on_page()
{
    grep -oE -e "$2" "$page" | sort -u >there
    comm -23 "$1" there >missing
    [ ! -s missing ] || { echo "not in docs/api.md:"; cat missing; return 1; }
}

case_functions()
{
    functions | names functions 80
    on_page functions 'rdd_[a-z0-9_]+'
}

case_macros()
{
    macros | names macros 60
    on_page macros '(rdd|RDD)_[A-Za-z0-9_]+'
}

case_options()
{
    options | names options 15
    on_page options '\.[a-z_]+'
}

case_settings()
{
    conf_rows | names settings 20
    on_page settings '^\| `([a-z]+\.[a-z_]+|speculation|shared|files)` \| [^|]+ \|'
    comm -13 settings there >unknown
    [ ! -s unknown ] || { echo "not in core/conf.c:"; cat unknown; return 1; }
}

# Nothing on the page is the name of something that is gone.
case_known_names()
{
    grep -oE '\b(rdd|RDD)_[A-Za-z0-9_]+' "$page" | names words 80
    grep -oE '\b(rdd|RDD)_[A-Za-z0-9_]+' "$header" | sort -u >there
    comm -23 words there >unknown
    [ ! -s unknown ] || { echo "not in core/rdd.h:"; cat unknown; return 1; }
}

run_cases docs/complete
