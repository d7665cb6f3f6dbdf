#!/bin/bash
# api_call from the command line to the file: what is called, what is written, what is said, how it
# ends. Against examples/demo_api and against mirror_api, which says what it was asked.
. "$(dirname "$0")/../script.bash"

api_call=$build/examples/api_call

mirror()
{
    start_server "$build/tests/examples/mirror_api"
}

demo_api()
{
    start_server "$build/examples/demo_api" --port 0 "$@"
}

# requests: how many the stopped server had; at_once: how many at the same time.
requests()
{
    sed -nE 's/^[a-z_]*: ([0-9]+) requests.*/\1/p' "$server_said"
}

at_once()
{
    sed -nE 's/.* ([0-9]+) at once.*/\1/p' "$server_said"
}

# table FIRST LAST: ids, a text that CSV must quote, and a filler, so that partitions are several.
table()
{
    echo 'id,note,filler'
    awk -v first="$1" -v last="$2" 'BEGIN {
        for (i = first; i <= last; i++)
            printf "%d,\"say \"\"%d\"\",\nagain\",%0*d\n", i, i, 40 + i % 30, i }'
}

case_get()
{
    mirror
    printf '%s\n' 'id,name,plain' '1,é x/?&+%,a' '2,,b' '3,"q""uo,te",c' >in.csv
    run 0 "$api_call" in.csv out.csv --url "$url/mirror/{id}/{name}?q={plain}&{}&{"
    stop_server
    cat >expected <<'END'
id,name,plain,method,path,body,_status,_error,_attempts
1,é x/?&+%,a,GET,/mirror/1/%C3%A9%20x%2F%3F%26%2B%25,,200,,1
2,,b,GET,/mirror/2/,,200,,1
3,"q""uo,te",c,GET,/mirror/3/q%22uo%2Cte,,200,,1
END
    same expected out.csv
    [ ! -s "$out" ] && [ ! -s "$err" ] && [ "$(requests)" -eq 3 ]
    only in.csv out.csv expected
}

case_post()
{
    mirror
    printf '%s\n' 'id,name' '1,"a ""b"" \ é"' '2,' >in.csv
    run 0 "$api_call" in.csv out.csv --url "$url/mirror/{id}" --method POST \
        --header 'X-One: 1 2' --header 'X-Two: b:c' --header 'Content-Type: t/x' \
        --body '{"n": "{name}", "x": {"y": [{id}]}}' --prefix a_
    stop_server
    cat >expected <<'END'
id,name,a_method,a_path,a_body,a_Content-Type,a_X-One,a_X-Two,_status,_error,_attempts
1,"a ""b"" \ é",POST,/mirror/1,"{""n"": ""a \""b\"" \\ é"", ""x"": {""y"": [1]}}",t/x,1 2,b:c,200,,1
2,,POST,/mirror/2,"{""n"": """", ""x"": {""y"": [2]}}",t/x,1 2,b:c,200,,1
END
    same expected out.csv
}

case_post_to_the_demo()
{
    demo_api --quiet
    printf '%s\n' 'code,label' 'FR,"a ""b"""' >in.csv
    run 0 "$api_call" in.csv out.csv --url "$url/countries/{code}/echo" --method POST \
        --body '{"label": "{label}", "deep": {"list": [1, 2.50]}}'
    stop_server
    cat >expected <<'END'
code,label,name,echo,_status,_error,_attempts
FR,"a ""b""",France,"{""label"":""a \""b\"""",""deep"":{""list"":[1,2.5]}}",200,,1
END
    same expected out.csv
}

# The JSON fields of later rows come before _status, also when the first row has none at all.
case_columns_in_order()
{
    mirror
    printf '%s\n' id "$url/status/404" "$url/fields/1" "$url/fields/3" "$url/fields/2" >in.csv
    local master
    cat >expected <<END
id,n,none,odd,inner,late,_status,_error,_attempts
$url/status/404,,,,,,404,404 Not Found,1
$url/fields/1,1,,true,"{""list"":[1.5]}",,200,,1
$url/fields/3,3,,true,"{""list"":[1.5]}","a, ""b""
c",200,,1
$url/fields/2,2,,false,"{""list"":[1.5]}",,200,,1
END
    for master in "${MASTERS[@]}"; do
        run 1 "$api_call" in.csv out.csv --master "$master" # without --url the column id is it
        same expected out.csv
        printf '%s\n' 'api_call: 1 row failed:' '        1  404 Not Found' | same - "$err"
    done
    stop_server
}

# The header alone is a table, too: what comes out has the columns, wherever it goes, and wrong names
# are found out all the same.
case_no_rows()
{
    local master header='id,"a,b",_status,_error,_attempts'
    printf '%s\n' 'id,"a,b"' >in.csv
    for master in "${MASTERS[@]}"; do
        run 0 "$api_call" in.csv out.csv --url 'http://127.0.0.1:1/{id}' --master "$master"
        echo "$header" | same - out.csv
    done
    run 0 "$api_call" out.csv again.csv --url 'http://127.0.0.1:1/{id}' # which is read again
    echo "$header" | same - again.csv
    run 0 "$api_call" - - <in.csv
    prints "$header"
    run 0 "$api_call" in.csv out.csv.gz
    zcat out.csv.gz | same <(echo "$header") -
    run 0 "$api_call" in.csv parts/
    same <(echo "$header") parts/part-00000.csv
    mkdir none
    : >none/part-00000.csv
    run 0 "$api_call" none out.csv --url 'http://127.0.0.1:1/{id}'
    echo '_status,_error,_attempts' | same - out.csv
    run 2 "$api_call" in.csv out.csv --url 'http://127.0.0.1:1/{di}'
    one_line "--url: the input has no column 'di'; it has: 'id', 'a,b'"
    : >in.csv
    run 1 "$api_call" in.csv out.csv --url 'http://127.0.0.1:1/{id}'
    one_line 'in.csv: the file is empty'
}

case_the_same_bytes_everywhere()
{
    mirror
    table 1 500 >in.csv
    local master first=
    for master in "${MASTERS[@]}" 'local[2]'; do
        run 0 "$api_call" in.csv out.csv --url "$url/fields/{id}" --master "$master"
        [ "$(wc -l <out.csv)" -gt 1000 ]
        [ -n "$first" ] || cp out.csv first.csv
        first=yes
        same first.csv out.csv
    done
    stop_server
    [ "$(requests)" -eq 2000 ]
    head -n 1 first.csv | grep -qx 'id,note,filler,n,none,odd,inner,late,_status,_error,_attempts'
    grep -q '^again",0*300,300,,false,"{""list"":\[1.5\]}","a, ""b""$' first.csv
}

case_clashing_names()
{
    mirror
    printf '%s\n' 'path,x' 'p,1' >in.csv
    run 0 "$api_call" in.csv out.csv --url "$url/mirror/{x}"
    printf '%s\n' 'path,x,method,path,body,_status,_error,_attempts' 'p,1,GET,/mirror/1,,200,,1' |
        same - out.csv
    one_line 'rdd: save_csv (examples/api_call.c:' '): out.csv has several columns named "path"'
    run 0 "$api_call" in.csv out.csv --url "$url/mirror/{x}" --quiet
    [ ! -s "$err" ]
    run 0 "$api_call" in.csv out.csv --url "$url/mirror/{x}" --prefix answer.
    [ ! -s "$err" ]
    stop_server
    printf '%s\n' 'path,x,answer.method,answer.path,answer.body,_status,_error,_attempts' \
        'p,1,GET,/mirror/1,,200,,1' | same - out.csv
}

case_retries()
{
    mirror
    table 1 60 >in.csv
    local master
    for master in "${MASTERS[@]}"; do
        run 0 "$api_call" in.csv out.csv --url "$url/flaky/2/{id}" --retries 2 \
            --conf http.backoff=1ms --master "$master"
        [ "$(grep -c ',pays,200,,3$' out.csv)" -eq 60 ]
    done
    run 1 "$api_call" in.csv out.csv --url "$url/flaky/2/{id}" --retries 1 --conf http.backoff=1ms
    [ "$(grep -c ',503,503 Service Unavailable,2$' out.csv)" -eq 60 ]
    says "$err" 'api_call: 60 rows failed:' '60  503 Service Unavailable'
    # A POST is not repeated: nobody said that it may be.
    run 1 "$api_call" in.csv out.csv --url "$url/flaky/9/{id}" --method POST --body '{}' --retries 5
    [ "$(grep -c ',503 Service Unavailable,1$' out.csv)" -eq 60 ]
    stop_server
}

case_timeout()
{
    mirror
    printf '%s\n' id 1 2 >in.csv
    run 1 "$api_call" in.csv out.csv --url "$url/stall" --timeout 0.5 --retries 1 \
        --conf http.backoff=1ms
    stop_server
    [ "$(grep -c '^[12],0,timed out after 500 ms (http.timeout),2$' out.csv)" -eq 2 ]
    [ "$(requests)" -le 4 ] # of one that was late itself, the server does not hear
}

# The limiter spaces calls; that they may take longer still does not matter.
case_rate()
{
    local begun=$EPOCHREALTIME
    mirror
    table 1 6 >in.csv
    run 0 "$api_call" in.csv out.csv --url "$url/mirror/{id}" --rate 10/s --master 'local[3]'
    lasted 490 "$begun"
    stop_server
    [ "$(requests)" -eq 6 ]
}

case_concurrency()
{
    mirror
    printf '%s\n' id {1..16} >in.csv # one partition
    run 0 "$api_call" in.csv out.csv --url "$url/together/4" --concurrency 4 --master 'local[2]'
    stop_server
    [ "$(requests)" -eq 16 ]
    [ "$(at_once)" -eq 4 ]
}

# One task alone, which is far from done: its records count all the same.
case_progress_within_a_task()
{
    command -v script >/dev/null || skip "needs script"
    local master
    demo_api --quiet --latency-ms 25
    printf '%s\n' id {1..320} >in.csv
    for master in 'local[1]' 'local-cluster[1,1]'; do
        run 0 env TERM=xterm script -qec "$api_call in.csv out.csv --url $url/countries/FR --concurrency 4 \
            --partitions 1 --master $master --conf executor.heartbeat=100ms" /dev/null
        says "$out" '0+1/1' 'rec/s'
    done
    stop_server
}

# The server fails and throttles; with enough attempts everything is there in the end.
case_errors_and_throttling()
{
    local master
    demo_api --quiet
    run 0 "$api_call" "$root/examples/data.csv" calm.csv --url "$url/countries/{code}"
    stop_server
    demo_api --error-rate 20% --throttle 1000/s
    for master in "${MASTERS[@]}"; do
        run 0 "$api_call" "$root/examples/data.csv" out.csv --url "$url/countries/{code}" \
            --retries 30 --conf http.backoff=1ms --conf http.backoff_max=4ms --master "$master"
        same <(sed 's/,[0-9]*$//' calm.csv) <(sed 's/,[0-9]*$//' out.csv)
    done
    stop_server
    [ "$(sed -nE 's/.* ([0-9]+) made to fail$/\1/p' "$server_said")" -gt 0 ]
}

# Five calls in a second; two slots begin with seven. The others are told to come back and do.
case_retry_after()
{
    local again begun=$EPOCHREALTIME
    demo_api --throttle 5/s
    head -n 8 "$root/examples/data.csv" >in.csv
    run 0 "$api_call" in.csv out.csv --url "$url/countries/{code}" --master 'local[2]'
    [ "$(grep -c ',200,,[12]$' out.csv)" -eq 7 ]
    again=$(grep -c ',200,,2$' out.csv || :) # two, but where all seven do not come within the second
    [ "$again" -ge 1 ] || lasted 1000 "$begun"
    [ "$again" -le 2 ]
    stop_server
    says "$server_said" " $((7 + again)) requests, $again throttled"
}

case_rows_that_fail()
{
    mirror
    local master
    while read -r id; do
        echo "x,$id"
    done >in.csv <<END
id
$url/fields/1
$url/status/404
$url/say/no%20json
$url/say/%5B1%5D
$url/status/404
$url/say/
$url/status/204
ftp://x/

not a url
END
    local none='the answer is no JSON object: JSON: an object is expected at byte 0, found'
    for master in "${MASTERS[@]}"; do
        run 1 "$api_call" in.csv out.csv --master "$master"
        cat >expected <<END
id,_status,_error,_attempts
$url/fields/1,200,,1
$url/status/404,404,404 Not Found,1
$url/say/no%20json,200,"$none no json",1
$url/say/%5B1%5D,200,"$none [1]",1
$url/status/404,404,404 Not Found,1
$url/say/,200,,1
$url/status/204,204,,1
ftp://x/,0,the URL does not begin with http:// or https://,0
,0,the URL is empty,0
not a url,0,the URL does not begin with http:// or https://,0
END
        sed -E 's/^x,([^,]*)(,[^,]*){4},(.*)$/\1,\3/' out.csv >short
        same expected short
        cat >expected <<'END'
api_call: 7 rows failed:
        2  404 Not Found
        2  the URL does not begin with http:// or https://
        1  the URL is empty
        2  the answer is no JSON object
END
        same expected "$err"
    done
    stop_server
}

case_max_errors_kept()
{
    mirror
    printf '%s\n' id "$url/status/404" "$url/fields/1" "$url/fields/2" "$url/status/400" >in.csv
    local most
    for most in 2 50% 99.5%; do
        rm -f out.csv
        run 0 "$api_call" in.csv out.csv --max-errors "$most"
        [ "$(wc -l <out.csv)" -eq 5 ]
        says "$err" '2 rows failed' '1  400 Bad Request' '1  404 Not Found'
    done
    stop_server
}

# No more calls than were under way in each slot, and the old output stays as it was.
case_max_errors_spent()
{
    local master slots
    table 1 500 >in.csv
    for master in "${MASTERS[@]}"; do
        demo_api --error-rate 100%
        echo old >out.csv
        run 1 "$api_call" in.csv out.csv --url "$url/{id}" --max-errors 5 --retries 0 \
            --concurrency 8 --master "$master"
        says "$err" 'calls failed, more than http.max_errors = 5' \
            'the last: 500 Internal Server Error'
        rm -f out.csv.journal # of what the driver had heard by then
        stop_server
        case $master in
        'local[1]') slots=1 ;;
        'local[3]') slots=3 ;;
        *) slots=4 ;;
        esac
        # Each process counts for itself: two of them may fail six times before they know.
        [ "$(requests)" -le $((slots * (6 + 8))) ]
        [ "$(cat out.csv)" = old ]
        only in.csv out.csv
    done
}

case_max_errors_spent_in_percent()
{
    mirror
    printf '%s\n' id "$url/status/404" "$url/fields/1" "$url/fields/2" "$url/status/404" >in.csv
    local master
    for master in "${MASTERS[@]}"; do
        run 1 "$api_call" in.csv out.csv --max-errors 49% --master "$master"
        says "$err" '2 of 4 calls failed, more than http.max_errors allows (49%); one of them: 404 Not Found' '2  404 Not Found' \
            'with --resume goes on'
        only in.csv out.csv.journal
        rm out.csv.journal
    done
    stop_server
}

case_streams()
{
    mirror
    printf '%s\n' id,x 1,a 2,b >in.csv
    run 0 "$api_call" - - --url "$url/mirror/{x}" <in.csv
    printf '%s\n' 'id,x,method,path,body,_status,_error,_attempts' \
        '1,a,GET,/mirror/a,,200,,1' '2,b,GET,/mirror/b,,200,,1' >expected
    same expected "$out"
    gzip -k in.csv
    run 0 "$api_call" in.csv.gz out.csv.gz --url "$url/mirror/{x}"
    zcat out.csv.gz | same expected -
    stop_server
}

case_usage()
{
    printf '%s\n' id,x 1,a >in.csv
    run 0 "$api_call" --help
    says "$out" 'usage: api_call INPUT.csv OUTPUT.csv' --url --method --header --body \
        --concurrency --partitions --rate --retries --timeout --max-errors --prefix
    run 2 "$api_call"
    one_line 'api_call: INPUT.csv and OUTPUT.csv are missing; api_call --help'
    run 2 "$api_call" in.csv
    one_line 'api_call: OUTPUT.csv is missing; api_call --help'
    echo before >out.csv
    run 2 "$api_call" in.csv out.csv --url http://127.0.0.1:1/ --header Accept
    one_line "--header Accept: give it as 'Name: value'"
    run 2 "$api_call" in.csv out.csv --url http://127.0.0.1:1/ --header $'A: b\r\nC: d'
    one_line "--header A: b…: give it as 'Name: value', on one line"
    run 2 "$api_call" in.csv out.csv --url http://127.0.0.1:1/ --method 'G ET'
    one_line '--method G ET: give one word'
    run 2 "$api_call" in.csv out.csv --url http://127.0.0.1:1/ --body '{x}' --method head
    one_line '--body {x}: a HEAD request has none'
    run 2 "$api_call" in.csv out.csv --url 127.0.0.1/{id}
    one_line '--url 127.0.0.1/{id}: it has to begin with http:// or https://'
    [ "$(cat out.csv)" = before ]
    rm out.csv
    run 2 "$api_call" in.csv out.csv --foo 1
    one_line 'there is no option --foo'
    run 2 "$api_call" in.csv out.csv --url
    one_line '--url needs a value'
    run 2 "$api_call" in.csv out.csv more.csv
    one_line 'more.csv'
    run 2 "$api_call" in.csv out.csv --url http://127.0.0.1:1/ --rate 50
    one_line '"50"' 'unit' '50/s'
    run 2 "$api_call" in.csv out.csv --url http://127.0.0.1:1/ --rate 0/s
    one_line '"0/s"' 'more than 0'
    run 2 "$api_call" in.csv out.csv --url http://127.0.0.1:1/ --max-errors many
    one_line '"many"' '5%'
    local option value
    while read -r option value; do
        run 2 "$api_call" in.csv out.csv --url http://127.0.0.1:1/ "$option" "$value"
        one_line "api_call: $option wants a number"
    done <<'END'
--concurrency 0
--concurrency 4x
--partitions 0
--retries -1
--timeout 0
--timeout soon
END
    only in.csv
}

run_cases api_call
