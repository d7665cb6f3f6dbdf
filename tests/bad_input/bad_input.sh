#!/bin/bash
# What cannot be read or written, and what was said wrongly: each gives one line that says what,
# where and what to do, exit status 1 or 2, and no file, neither under the final name nor on the way.
. "$(dirname "$0")/../script.bash"

# The last is a cluster that shares no files with its driver; so $master is words, not one.
MASTERS+=('local-cluster[2,2] --conf debug.remote_files=true')

reader=$build/tests/bad_input/reader
api_call=$build/examples/api_call

# refuses STATUS 'ARGUMENTS' WORD…: the reader says so on every master, and leaves no file.
refuses()
{
    local status=$1 arguments=$2 master before
    shift 2
    before=$(ls -A "$work")
    for master in "${MASTERS[@]}"; do
        run "$status" "$reader" --master $master $arguments
        one_line 'reader: ' "$@"
        [ ! -s "$out" ]
        [ "$before" = "$(ls -A "$work")" ]
    done
}

# gives 'ARGUMENTS' FILE: the reader writes `out`, which is like FILE, on every master.
gives()
{
    local master
    for master in "${MASTERS[@]}"; do
        rm -rf out
        run 0 "$reader" --master $master $1
        [ ! -s "$err" ]
        same "$2" out
    done
}

# counts N 'ARGUMENTS'
counts()
{
    local master
    for master in "${MASTERS[@]}"; do
        run 0 "$reader" --master $master $2
        [ ! -s "$err" ]
        prints "$1"
    done
}

# -- Files that are not there ----------------------------------------------------------------------

case_missing_file()
{
    mkdir empty
    touch empty/.hidden empty/_SUCCESS
    refuses 1 'text missing' 'missing: cannot open: No such file or directory'
    refuses 1 'csv missing.csv csv out' 'missing.csv: cannot open: No such file or directory'
    refuses 1 'items missing/x.csv' 'missing/x.csv: cannot open'
    refuses 1 'text no*where' 'no*where: no file matches'
    refuses 1 'text empty' 'empty: a directory without files'
    refuses 2 'text s3://x/y' 's3://x/y: sources read files, "-" (standard input), http:// and https:// only'
    refuses 2 'csv ftp://x/y.csv' 'rdd_csv (' 'ftp://x/y.csv: sources read files'
    echo a >in
    refuses 2 'text in text http://x/y' 'http://x/y: outputs are files, directories or "-"'
    rm in
    run 2 "$reader" text ''
    one_line 'the path is missing'
    run 2 "$reader" text "$root/README.md" text ''
    one_line 'an output with an empty name'
}

case_directory_instead_of_a_file()
{
    mkdir dir
    printf 'a,b\n1,2\n' >dir/a.csv
    refuses 1 'csv dir csv dir' 'dir: is a directory, and a file is meant' 'end the name in /'
    refuses 1 'csv dir json dir' 'dir: is a directory, and a file is meant'
    refuses 1 'csv dir csv nowhere/out' 'nowhere/out: there is no directory nowhere; create it'
    refuses 1 'csv dir csv dir/a.csv' 'dir/a.csv: is there already' '.overwrite'
    refuses 1 'csv dir csv dir/a.csv/out' 'dir/a.csv/out' 'Not a directory'
    refuses 1 'csv dir csv dir/' 'dir/: is there already'
    local master
    for master in "${MASTERS[@]}"; do
        run 1 "$reader" --master $master text - <dir
        one_line 'standard input: cannot read' 'Is a directory'
        run 1 "$reader" --master $master text /dev/null
        one_line '/dev/null: not a regular file' 'standard input'
    done
    [ "$(cat dir/a.csv)" = "$(printf 'a,b\n1,2')" ]
}

case_unreadable_file()
{
    [ "$(id -u)" -eq 0 ] || skip 'it takes root to become somebody who may not read'
    command -v setpriv >/dev/null || skip 'there is no setpriv'
    local nobody='setpriv --reuid=65534 --regid=65534 --clear-groups' master
    $nobody test -x "$reader" || skip "nobody may not run programs below $build"
    echo secret >file
    chmod 600 file
    chmod 755 .
    for master in "${MASTERS[@]}"; do
        run 1 $nobody "$reader" --master $master text "$work/file"
        one_line 'file: cannot open: Permission denied'
        run 1 $nobody "$reader" --master $master text "$reader" text "$work/out"
        one_line 'out: ' 'Permission denied'
        only file
    done
}

case_no_standard_streams()
{
    local master
    seq 3 >in
    for master in "${MASTERS[@]}"; do
        run 1 "$reader" --master $master text - <&-
        one_line 'standard input: cannot read' 'Bad file descriptor'
        run 0 bash -c '"$@" >&-' - "$reader" --master $master text in text out
        same in out
        rm out
        run 1 bash -c '"$@" >&-' - "$reader" --master $master text in text -
        one_line 'standard output' 'Bad file descriptor'
        run 1 bash -c '"$@" >/dev/full' - "$reader" --master $master text in text -
        one_line 'no space left on device while writing standard output'
    done
    only in
}

# -- CSV -------------------------------------------------------------------------------------------

case_ragged_rows()
{
    printf 'a,b\n1,2\n3\n4,5,6\n7,8\n' >in.csv
    refuses 1 'csv in.csv csv out' 'in.csv:3: 2 columns expected, 1 found' 'csv.ragged=pad'
    refuses 1 'csv in.csv csv out --conf csv.ragged=fail' 'in.csv:3:'
    printf 'a,b\n1,2\n3,\n4,5\n7,8\n' >padded
    gives 'csv in.csv csv out --conf csv.ragged=pad' padded
    printf 'a,b\n1,2\n7,8\n' >skipped
    gives 'csv in.csv csv out --conf csv.ragged=skip' skipped
    refuses 2 'csv in.csv csv nowhere --conf csv.ragged=maybe' csv.ragged=maybe 'fail|pad|skip'
    printf 'a,b\n1,"2\n2"\n3,4,5\n' >in.csv # a line is a line of the file
    rm -f out
    refuses 1 'csv in.csv' 'in.csv:4: 2 columns expected, 3 found'
}

# In the second of many splits, so that the line is counted over all of them.
case_ragged_row_far_behind()
{
    (
        echo 'a,b'
        seq 20000 | sed 's/.*/"&\nmore",&/'
        echo 'one'
        seq 20000 | sed 's/$/,x/'
    ) >in.csv
    refuses 1 'csv in.csv csv out --conf input.split_size=32KiB' \
        'in.csv:40002: 2 columns expected, 1 found'
}

case_unclosed_quote()
{
    printf 'a,b\n1,2\n3,"x\ny\n4,5\n' >in.csv
    refuses 1 'csv in.csv csv out' 'in.csv:3: a quoted cell that begins here is not closed'
    (cat in.csv; seq 3000 | sed 's/$/,x/') >more.csv
    refuses 1 'csv more.csv csv out --conf input.split_size=1KiB' 'more.csv:3: a quoted cell'
    gzip more.csv
    refuses 1 'csv more.csv.gz csv out' 'more.csv.gz:3: a quoted cell'
}

case_invalid_utf8()
{
    printf 'id,price,name\n1,2,\377\376\n' >in.csv
    gives 'csv in.csv csv out' in.csv
    gives 'items in.csv csv out' in.csv
    gives 'text in.csv text out' in.csv
    rm out
    refuses 1 'csv in.csv json out' 'out: text is not UTF-8' 'record 0 of partition 0'
    refuses 1 'items in.csv json out' 'out: text is not UTF-8'
    refuses 1 'text in.csv json out' 'out: text is not UTF-8' 'record 1'
}

case_numbers()
{
    local text MASTERS=('local[2]' 'local-cluster[1,1]')
    for text in two 1e 1.5x ' ' 0x10 1,5 '--1' ; do
        printf 'id,price,name\n1,2.5,x\n2,"%s",y\n' "$text" >in.csv
        refuses 1 'items in.csv json out' "in.csv:3: column 'price': \"$text\" is no double"
    done
    printf 'id,price,name\n1,,x\n' >in.csv
    refuses 1 'items in.csv json out' "in.csv:2: column 'price': \"\" is no double" \
        '; make it an RDD_OPTIONAL if it may be missing'
    for text in 9223372036854775808 1.5 '' 1_000; do
        printf 'id,price,name\n%s,2.5,x\n' "$text" >in.csv
        refuses 1 'items in.csv json out' "in.csv:2: column 'id': \"$text\""
    done
    printf 'id,price\n1,2\n' >in.csv
    refuses 1 'items in.csv json out' "in.csv: there is no column 'name' for the field of item" \
        "it has: 'id', 'price'"
    printf 'ID,price,name\n1,2,x\n' >in.csv
    refuses 1 'items in.csv json out' "it has: 'ID', 'price', 'name'; 'ID' differs by case"
    printf 'id;price;name\n1;2;x\n' >in.csv
    refuses 1 'items in.csv json out' "it has: 'id;price;name'; is .delimiter = ';' missing?"
    # What a terminal would obey, and a name of two lines, are shown as they can be.
    printf '"i\nd",\033[31mprice\n1,2\n' >in.csv
    refuses 1 'items in.csv json out' "it has: 'i?d', '?[31mprice'"
}

case_nested_cells()
{
    local cells wanted MASTERS=('local[2]' 'local-cluster[1,1]') item='{"id":1,"price":2,"name":"x"}'
    printf 'raw;list;item\n;;%s\n' "$item" >in.csv
    printf '%s\n' '{"raw":"","list":[],"item":{"id":1,"price":2,"name":"x"}}' >wanted
    gives 'nested in.csv json out' wanted
    rm out
    while IFS='|' read -r cells wanted; do
        printf 'raw;list;item\n%s\n' "$cells" >in.csv
        refuses 1 'nested in.csv json out' "in.csv:2: column '$wanted"
    done <<END
AA=;[];$item|raw': "AA=" is no base64
AA==;1;$item|list': JSON: an array is expected at byte 0, found 1
AA==;[1,2.5];$item|list': JSON: no int32_t at byte 3, found 2.5]
AA==;[1;$item|list': JSON: ',' or ']' is expected at byte 2, where it ends
AA==;[];|item': "" is no item
AA==;[];{"id":1}|item': JSON: the field "price" of item is missing
END
}

case_nul_byte()
{
    printf 'a,b\n1,2\n3,x\0y\n' >in.csv
    refuses 1 'csv in.csv csv out' 'in.csv:3: a NUL byte (byte 11 of the file)' iconv
    printf 'a\0b\nc\n' >in.txt # a byte as any other
    gives 'text in.txt text out' in.txt
    rm out
    printf '{"a":1}\n{"a":\0 2}\n' >in.json
    refuses 1 'json in.json json out' 'in.json:2: JSON: a value is expected at byte 5'
}

case_empty_file()
{
    local source
    : >in
    for source in text json json-items records; do
        counts 0 "$source in"
        counts 0 "$source -" <in
    done
    : >nothing
    gives 'text in text out' nothing
    gives 'json in json out' nothing
    echo 'id,price,name' >header
    gives 'items header csv out' header
    counts 0 'csv header'
    gzip -c in >in.gz
    counts 0 'text in.gz'
    for source in csv items; do # a table has at least a header
        refuses 1 "$source in csv saved" 'in: the file is empty; a CSV begins with the names of its columns'
        refuses 1 "$source in.gz" 'in.gz: the file is empty'
        refuses 1 "$source -" 'standard input: the file is empty' <in
    done
    mkdir parts # as a save leaves them
    cp in parts/part-00000.csv
    counts 0 'csv parts'
    counts 0 'items parts'
}

# -- JSON, compressed files, records ---------------------------------------------------------------

case_json_lines()
{
    printf '{"id":1}\n{"id":\n' >in.json
    refuses 1 'json in.json json out' 'in.json:2: JSON: a value is expected at byte 6'
    refuses 1 'json-items in.json json out' 'in.json:1: JSON: the field "price" of item is missing' \
        '; make it an RDD_OPTIONAL if it may be missing'
    printf '{"id":1}\n\n[1]\n' >in.json
    refuses 1 'json in.json json out' 'in.json:3: JSON: an object is expected'
    printf '{"id":1.5,"price":1,"name":"x"}\n' >in.json
    refuses 1 'json-items in.json json out' \
        'in.json:1: JSON: field "id" of item: no int64_t at byte 6, found 1.5,"price":1'
    printf '{"a":%s1%s}\n' "$(printf '[%.0s' {1..65})" "$(printf ']%.0s' {1..65})" >in.json
    refuses 1 'json in.json json out' 'in.json:1: JSON: ' 64
}

case_compressed_files()
{
    seq 2000 | gzip >whole.gz
    head -c 1000 whole.gz >cut.gz
    refuses 1 'text cut.gz text out' 'cut.gz: truncated: the gzip data stops at byte 1000'
    head -c 5 whole.gz >head.gz
    refuses 1 'text head.gz text out' 'head.gz: truncated'
    echo plain >plain.gz
    refuses 1 'text plain.gz text out' 'plain.gz: not a gzip file, in spite of its name'
    (cat whole.gz; echo tail) >tail.gz
    refuses 1 'text tail.gz text out' 'tail.gz: something that is not gzip follows'
    (head -c 500 whole.gz; head -c 100 /dev/zero; tail -c +601 whole.gz) >bad.gz
    refuses 1 'text bad.gz text out' 'bad.gz: '
    run 1 "$reader" text - text out <cut.gz
    one_line 'standard input: truncated'
    only whole.gz cut.gz head.gz plain.gz tail.gz bad.gz
}

case_records()
{
    printf 1234567890 >in
    refuses 1 'records in' 'in: its size is no multiple of the record size 16: 10 bytes are left'
}

# -- Limits ----------------------------------------------------------------------------------------

# The file has a gigabyte and no block on the disk; the budget has its default of 256 MiB.
case_a_line_of_a_gigabyte()
{
    truncate -s 1G big
    run 1 "$reader" json big json out --master 'local[2]'
    one_line 'big:1: a line that starts at byte 0 is longer than 268435456 bytes' 'task.budget'
    run 1 "$reader" text big text out --master 'local-cluster[2,2]'
    one_line 'big:1: a line that starts at byte 0 is longer than 268435456 bytes' 'task.budget'
    run 1 "$reader" whole big json out
    one_line 'big: the file is larger than task.budget'
    only big
}

case_a_long_record()
{
    (echo 'a,b'; head -c 2000000 /dev/zero | tr '\0' x; echo ,1) >cell.csv
    (echo 'a,b'; printf '1,"'; head -c 2000000 /dev/zero | tr '\0' '\n'; echo '"') >lines.csv
    refuses 1 'csv cell.csv csv out --conf task.budget=1MiB' 'cell.csv:2: ' '1048576' 'task.budget'
    refuses 1 'csv lines.csv csv out --conf task.budget=1MiB' 'lines.csv:2: ' 1048576 'task.budget'
    cp cell.csv expected
    gives 'csv cell.csv csv out --conf task.budget=8MiB' expected
}

case_full_disk()
{
    [ "$(id -u)" -eq 0 ] || skip 'it takes root to mount a small disk'
    local disk=$work/disk master
    mkdir disk
    mount -t tmpfs -o size=64k,nr_inodes=100 tmpfs disk || skip 'tmpfs cannot be mounted here'
    trap "umount '$disk'" EXIT
    seq 100000 | sed 's/$/,xyz/' >in.csv
    for master in "${MASTERS[@]}"; do
        run 1 "$reader" --master $master text in.csv text disk/out
        one_line 'no space left on device while writing disk/out' 'partial files were removed'
        run 1 "$reader" --master $master text in.csv text disk/out/
        one_line 'no space left on device while writing disk/out/'
        run 1 "$reader" --master $master csv in.csv csv disk/out.csv
        one_line 'no space left on device while writing disk/out.csv'
        run 1 "$reader" --master $master csv in.csv json disk/out.gz
        one_line 'no space left on device while writing disk/out.gz'
        [ -z "$(ls -A disk)" ]
    done
    # Standard input is kept in TMPDIR, twice read or not.
    TMPDIR=$disk run 1 "$reader" text - <in.csv
    one_line 'standard input: cannot keep more than' "$disk" TMPDIR
    [ -z "$(ls -A disk)" ]
    run 1 "$reader" text in.csv --event-log /dev/full
    one_line 'the event log /dev/full is not complete'
}

# -- Calls -----------------------------------------------------------------------------------------

case_unknown_template_column()
{
    printf 'id,name\n1,a\n' >in.csv
    local master
    for master in "${MASTERS[@]}"; do
        run 2 "$api_call" --master $master in.csv out.csv --url 'http://127.0.0.1:1/{nmae}'
        one_line "--url: the input has no column 'nmae'; it has: 'id', 'name'"
        run 2 "$api_call" --master $master in.csv out.csv --url 'http://127.0.0.1:1/{id}' \
            --method POST --body '{"x": "{what}"}'
        one_line "--body: the input has no column 'what'"
    done
    echo name >in.csv
    echo a >>in.csv
    run 2 "$api_call" in.csv out.csv
    one_line "the input has no column 'id'" '--url TEMPLATE'
    only in.csv
}

# One line on what is wrong, and one on how to go on; the answers are kept, beside the input alone.
budget_is_spent()
{
    [ "$(wc -l <"$err")" -eq 2 ]
    says "$err" "$@" 'api_call: the answers so far are in out.csv.journal: the same command with --resume'
    rm out.csv.journal
}

case_nobody_answers()
{
    printf 'id\n1\n' >in.csv
    local master nowhere='http://no.such.host.invalid/{id}'
    local calm='--quiet --retries 1 --conf http.backoff=1ms'
    for master in "${MASTERS[@]}"; do
        run 1 "$api_call" in.csv out.csv --url 'http://127.0.0.1:1/{id}' $calm --master $master
        says "$err" 'api_call: 1 row failed:' '1  connection refused by 127.0.0.1:1'
        says out.csv '1,0,connection refused by 127.0.0.1:1,2'
        run 1 "$api_call" in.csv out.csv --url "$nowhere" $calm --master $master
        says "$err" 'api_call: 1 row failed:' '1  could not resolve host no.such.host.invalid'
        run 1 "$api_call" in.csv out.csv --url 'http://127.0.0.1:1/{id}' ${calm#--quiet} --master $master
        says "$err" 'rdd: each of 1 calls failed; one of them: connection refused by 127.0.0.1:1'
        rm out.csv
        run 1 "$api_call" in.csv out.csv --url 'http://127.0.0.1:1/{id}' $calm --master $master \
            --max-errors 0
        budget_is_spent 'operator api_call (examples/api_call.c:' '1 calls failed' \
            'http.max_errors = 0' 'connection refused by 127.0.0.1:1'
        run 1 "$api_call" in.csv out.csv --url "$nowhere" $calm \
            --master $master --max-errors 0
        budget_is_spent 'could not resolve host no.such.host.invalid'
        only in.csv
    done
}

case_an_answer_that_is_no_json()
{
    start_server "$build/tests/examples/mirror_api"
    local master
    printf 'id\n1\n' >in.csv
    for master in "${MASTERS[@]}"; do
        run 1 "$api_call" in.csv out.csv --url "$url/say/{id}" --master $master --max-errors 0
        budget_is_spent 'the answer is no JSON object' 'an object is expected' 'found 1'
        only in.csv
    done
    stop_server
}

case_bad_input_of_api_call()
{
    printf 'id,name\n1\n' >in.csv
    run 1 "$api_call" in.csv out.csv --url 'http://127.0.0.1:1/{id}'
    one_line 'api_call: in.csv:2: 2 columns expected, 1 found'
    run 1 "$api_call" missing.csv out.csv
    one_line 'missing.csv: cannot open'
    printf 'id\n1\n' >in.csv
    mkdir dir
    run 1 "$api_call" in.csv dir --url 'http://127.0.0.1:1/{id}'
    one_line 'dir: is a directory, and a file is meant'
    run 1 "$api_call" in.csv nowhere/out.csv --url 'http://127.0.0.1:1/{id}'
    one_line 'there is no directory nowhere'
    ln in.csv same.csv
    run 2 "$api_call" in.csv same.csv --url 'http://127.0.0.1:1/{id}'
    one_line 'api_call: same.csv is the input, too: give the output another name'
    rm same.csv
    : >in.csv
    run 1 "$api_call" in.csv out.csv --url 'http://127.0.0.1:1/{id}'
    one_line 'api_call: in.csv: the file is empty'
    only in.csv dir
}

# Files for the tasks' directory, which is the driver's with local[N].
case_files_for_tasks()
{
    mkdir elsewhere
    echo x | tee in >elsewhere/words
    run 1 "$reader" --master local[2] --conf files=missing text in
    one_line 'missing'
    run 2 "$reader" --master local[2] --conf files=elsewhere/words text in
    one_line 'reader: ' "which has no words: run where that file is, or with --master 'local-cluster[1,2]'"
    cp elsewhere/words .
    run 2 "$reader" --master local[2] --conf files=elsewhere/words text in
    one_line 'reader: ' 'which has another words'
    run 0 "$reader" --master local[2] --conf files=words text in
    run 0 "$reader" --master local-cluster[1,1] --conf files=elsewhere/words text in
}

# Each of them is told of with its own cause.
case_nodes_that_are_not_there()
{
    seq 3 >in
    run 1 "$reader" text in --master ssh://127.0.0.1:1,no.such.host.invalid
    says "$err" 'rdd: no.such.host.invalid: dns: ' '127.0.0.1:1: tcp: ' 'onnection refused' \
        '; going on with 1 of 2 executors' '; that was the last of 2 executors' \
        'reader: none of 2 executors is left; the first to go: '
    run 1 "$reader" text in --master ssh://127.0.0.1:1
    one_line 'reader: given up after' '127.0.0.1:1: tcp: ' 'onnection refused'
}

# -- Options ---------------------------------------------------------------------------------------

case_malformed_options()
{
    local options words
    seq 3 >in
    while IFS='|' read -r options words; do
        run 2 "$reader" text in text out $options
        one_line 'reader: ' "$words"
    done <<'END'
--master x|--master x: there is no such master; give local[N]
--master=local[0]|--master local[0]: there is no such master
--master local[2|--master local[2: there is no such master
--master local[2]x|there is no such master
--master local-cluster[2]|--master local-cluster[2]: there is no such master
--master local-cluster[2,0]|there is no such master
--master local[99999999999]|there is no such master
--master ssh:a,b|--master ssh:a,b: hosts come after ssh://, a file after ssh:@
--master ssh://n1,n1|n1
--conf nonsense=1|--conf nonsense: there is no such setting
--conf http.rat=50/s|did you mean http.rate?
--conf http.rate=50|--conf http.rate=50: give a rate of more than 0 with its unit such as 50/s
--conf http.max_errors=5%%|give a count such as 10, or a percentage such as 5%
--conf task.attempts_max=0|--conf task.attempts_max=0: give a whole number of at least 1
--conf task.attempts_max=x|--conf task.attempts_max=x: give a whole number
--conf http.timeout=5|--conf http.timeout=5: give a time with its unit
--conf task.budget=1|--conf task.budget=1: give a size such as
--conf novalue|--conf novalue: give it as key=value
--conf =1|give it as key=value
--explain=foo|--explain=foo: give --explain, --explain=text or --explain=dot
--explain=|--explain=: give --explain
--quiet=yes|--quiet=yes: --quiet takes no value
--progress=|--progress takes no value
--event-log=|--event-log needs a value, such as --event-log job.jsonl
END
    local option
    for option in --master --conf --event-log; do
        run 2 "$reader" text in text out "$option"
        one_line "reader: $option needs a value, such as $option "
    done
    run 1 "$reader" text in text out --event-log nowhere/log
    one_line 'the event log nowhere/log cannot be written: No such file or directory'
    only in
}

case_two_contexts_at_once()
{
    local master
    for master in "${MASTERS[@]}"; do
        run 2 "$reader" --master $master twice
        one_line 'reader: rdd_init was called while a context is in use' 'call rdd_finish first'
    done
}

case_the_program_keeps_its_own()
{
    seq 3 >--quiet
    local master
    for master in "${MASTERS[@]}"; do
        run 0 "$reader" --master $master text -- --quiet
        prints 3
        run 2 "$reader" --master $master -- --master x
        one_line 'reader: there is no source --master'
    done
    run 0 "$reader" text --verbose --conf task.attempts_max=2 -- --quiet
    prints 3
}

case_the_master_of_the_environment()
{
    seq 3 >in
    RDD_MASTER='local-cluster[3,1]' run 0 "$reader" text in --event-log log
    says log '"local-cluster[3,1]"'
    RDD_MASTER='local-cluster[3,1]' run 0 "$reader" text in --event-log log --master 'local[7]'
    says log '"local[7]"'
    RDD_MASTER='' run 0 "$reader" text in --event-log log
    says log '"local[*]"'
    RDD_MASTER='cluster' run 2 "$reader" text in
    one_line 'reader: RDD_MASTER=cluster: there is no such master'
    RDD_MASTER='cluster' run 0 "$reader" text in --master 'local[1]' # which makes it of no interest
}

run_cases bad_input
