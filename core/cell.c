/* cell.c: CSV cells to values and back; declared in json.h. */
#include "base64.h"
#include "json.h"
#include "number.h"
#include "type.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || (unsigned char)(c - '\t') < 5;
}

static rdd_str trim(rdd_str text)
{
    while (text.size && is_blank(text.data[0]))
        text = (rdd_str){ text.size - 1, text.data + 1 };
    while (text.size && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

static bool parse_bool(rdd_str text, bool *ret)
{
    static const char *const words[] = { "false", "true", "0", "1", "no", "yes", "f", "t" };
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (text.size == strlen(words[i]) && !strncasecmp(text.data, words[i], text.size)) {
            *ret = i % 2;
            return true;
        }
    return false;
}

static int no_value_of(const char *what, rdd_str text, rdd_error *err)
{
    CLEANUP(buf_release) buf shown = { 0 };
    json_show(RDD_TYPE(rdd_str), text.data ? &text : &RDD_STR(""), 60, &shown);
    const char *found = buf_terminate(&shown);
    return error_set(err, RDD_E_INPUT, "%s is no %s%s", found ? found : "the text", what,
                     trim(text).size ? "" : JSON_HINT_OPTIONAL);
}

static int parse_bytes(rdd_str text, arena *a, rdd_bytes *ret, rdd_error *err)
{
    rdd_str word = trim(text);
    size_t size;
    unsigned char *bytes = arena_alloc(a, word.size / 4 * 3);
    if (!bytes)
        return error_set_memory(err, "reading a cell");
    if (!base64_decode(word.data, word.size, bytes, &size))
        return no_value_of("base64", text, err);
    *ret = (rdd_bytes){ size, bytes };
    return 0;
}

static int parse_nested(const rdd_type *t, rdd_str text, arena *a, void *ret, rdd_error *err)
{
    if (trim(text).size)
        return json_parse(t, text, a, ret, err);
    if (t->kind == RDD_KIND_STRUCT)
        return no_value_of(t->name, text, err);
    memset(ret, 0, t->size);
    return 0;
}

static int parse_optional(const rdd_type *t, rdd_str text, arena *a, void *ret, rdd_error *err)
{
    if (!(t->item->kind == RDD_KIND_STR ? text : trim(text)).size) {
        memset(ret, 0, t->size);
        return 0;
    }
    int code = cell_parse(t->item, text, a, (char *)ret + t->fields[0].offset, err);
    if (code == 0)
        *(bool *)ret = true;
    return code;
}

int cell_parse(const rdd_type *t, rdd_str text, arena *a, void *ret, rdd_error *err)
{
    switch (t->kind) {
    case RDD_KIND_STR: memcpy(ret, &text, sizeof text); return 0;
    case RDD_KIND_BYTES: return parse_bytes(text, a, ret, err);
    case RDD_KIND_OPTIONAL: return parse_optional(t, text, a, ret, err);
    case RDD_KIND_STRUCT:
    case RDD_KIND_LIST: return parse_nested(t, text, a, ret, err);
    default: break;
    }
    rdd_str word = trim(text);
    bool good = t->kind == RDD_KIND_BOOL ? parse_bool(word, ret) : number_parse(t, word, ret);
    return good ? 0 : no_value_of(t->name, text, err);
}

int cell_print(const rdd_type *t, const void *value, buf *out, rdd_error *err)
{
    size_t start = out->size;
    char number[NUMBER_TEXT_MAX];
    if (t->kind == RDD_KIND_OPTIONAL) {
        if (!*(const uint8_t *)value)
            return 0;
        return cell_print(t->item, (const char *)value + t->fields[0].offset, out, err);
    }
    if (t->kind == RDD_KIND_STR) {
        const rdd_str *text = value;
        if (text->data)
            buf_append(out, text->data, text->size);
    } else if (type_is_number(t)) {
        buf_append(out, number, number_print(t, value, number));
    } else if (t->kind == RDD_KIND_BYTES) {
        const rdd_bytes *bytes = value;
        if (bytes->data)
            base64_print(bytes->data, bytes->size, out);
    } else {
        return json_print(t, value, out, err);
    }
    if (!out->failed)
        return 0;
    out->size = start;
    out->failed = false;
    return error_set_memory(err, "printing a cell");
}
