/* hosts_range.c: the ranges of a name, n[01-16] or rack[1-2]-n[1,3-5], counted and written out. */
#include "hosts_range.h"

#include <stdio.h>
#include <string.h>

enum { DIGITS_MAX = 9 };

/* "7" or "01-16", one item of a bracket's list. */
typedef struct span {
    uint32_t first, last;
    int width; /* of numbers that are filled up with zeros; 0: as they are */
} span;

static size_t digits_at(const char *at)
{
    return strspn(at, "0123456789");
}

static uint32_t number_at(const char *at, size_t digits)
{
    uint32_t number = 0;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (uint32_t)(at[i] - '0');
    return number;
}

static int span_parse(const char **at, span *ret, rdd_error *err)
{
    const char *first = *at, *last = first;
    size_t first_digits = digits_at(first), last_digits = first_digits;
    *at += first_digits;
    if (first_digits && **at == '-') {
        last = ++*at;
        last_digits = digits_at(last);
        *at += last_digits;
    }
    if (!first_digits || !last_digits || !strchr(",]", **at))
        return error_set(err, RDD_E_USAGE, "a range is made of numbers, as in n[01-16] or "
                                           "n[1,3-5]");
    if (first_digits > DIGITS_MAX || last_digits > DIGITS_MAX)
        return error_set(err, RDD_E_USAGE, "a number of a range has at most %d digits", DIGITS_MAX);
    *ret = (span){ number_at(first, first_digits), number_at(last, last_digits),
                   *first == '0' ? (int)first_digits : 0 };
    if (ret->first > ret->last)
        return error_set(err, RDD_E_USAGE, "the range %.*s-%.*s counts down; write the smaller "
                                           "number first",
                         (int)first_digits, first, (int)last_digits, last);
    return 0;
}

/* From behind "[" to behind "]". */
static int bracket_count(const char **at, size_t *ret, rdd_error *err)
{
    size_t count = 0;
    do {
        span s;
        int code = span_parse(at, &s, err);
        if (code < 0)
            return code;
        count += s.last - s.first + 1;
    } while (*(*at)++ == ',');
    *ret = count;
    return 0;
}

int hosts_range_count(const char *pattern, size_t max, size_t *ret, rdd_error *err)
{
    size_t all = 1;
    for (const char *at = pattern; *at;) {
        if (*at == ']')
            return error_set(err, RDD_E_USAGE, "there is a ] without a [ before it");
        if (*at++ != '[')
            continue;
        size_t count;
        if (!strchr(at, ']'))
            return error_set(err, RDD_E_USAGE, "a [ is not closed; write n[1-3]");
        int code = bracket_count(&at, &count, err);
        if (code < 0)
            return code;
        if (count > max / all)
            return error_set(err, RDD_E_LIMIT, "more than %zu hosts", max);
        all *= count;
    }
    *ret = all;
    return 0;
}

/* Number `index` of the list behind "[", and *at moves behind "]". */
static int bracket_print(const char **at, size_t index, char *out, size_t size)
{
    span s, found = { 0 };
    bool have = false;
    do {
        if (span_parse(at, &s, NULL) < 0)
            return -1;
        size_t count = s.last - s.first + 1;
        if (!have && index < count) {
            have = true;
            found = s;
            found.first += (uint32_t)index;
        }
        index -= have ? 0 : count;
    } while (*(*at)++ == ',');
    return have ? snprintf(out, size, "%0*u", found.width ? found.width : 1, found.first) : -1;
}

bool hosts_range_name(const char *pattern, size_t count, size_t index, char *name, size_t size)
{
    size_t made = 0;
    for (const char *at = pattern; *at;) {
        if (made + 1 >= size)
            return false;
        if (*at != '[') {
            name[made++] = *at++;
            continue;
        }
        const char *list = ++at;
        size_t here;
        if (bracket_count(&at, &here, NULL) < 0)
            return false;
        count /= here; /* how many names share what stands here */
        int printed = bracket_print(&list, index / count, name + made, size - made);
        if (printed < 0 || (size_t)printed >= size - made)
            return false;
        index %= count;
        made += (size_t)printed;
    }
    name[made] = 0;
    return true;
}
