/* options_fuzz.c: a command line of any words through options_parse(), and with it --master and
 * --conf. Words are cut at newlines. What is accepted leaves the program's own words in their order
 * and settings that survive a round trip; what is not leaves a message that ends.
 */
#include "conf.h"
#include "context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 64 };

/* Gives how many words there are; argv ends in NULL, as that of main. */
static int cut_words(char *text, char *argv[WORDS_MAX + 2])
{
    static char program[] = "fuzz";
    int argc = 0;
    argv[argc++] = program;
    for (char *at = text; at && argc <= WORDS_MAX;) {
        char *end = strchr(at, '\n');
        if (end)
            *end++ = 0;
        argv[argc++] = at;
        at = end;
    }
    argv[argc] = NULL;
    return argc;
}

/* What is left are words that were there, in order. */
static void check_words(char *const *before, int before_count, char *const *after, int after_count)
{
    int at = 0;
    for (int i = 0; i < after_count; i++) {
        while (at < before_count && before[at] != after[i])
            at++;
        ASSERT(at++ < before_count);
    }
    ASSERT(!after[after_count]);
}

static void check_settings(void)
{
    CLEANUP(buf_release) buf once = { 0 };
    CLEANUP(buf_release) buf again = { 0 };
    rdd_error err;
    conf_encode(&once);
    reader r = reader_over(once.data, once.size);
    ASSERT(!once.failed);
    conf_clear();
    ASSERT(conf_decode(&r, &err) == 0);
    ASSERT(reader_left(&r) == 0);
    conf_encode(&again);
    ASSERT(again.size == once.size && memcmp(again.data, once.data, once.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *text = strndup(size ? (const char *)data : "", size);
    char *argv[WORDS_MAX + 2], *before[WORDS_MAX + 2];
    int argc = cut_words(text, argv), before_count = argc;
    memcpy(before, argv, sizeof before[0] * (size_t)(argc + 1));
    rdd_context ctx = { .program = argv[0] };
    rdd_error err;
    conf_clear();
    int code = options_parse(&ctx, &argc, argv, &err);
    if (code < 0) {
        ASSERT(strnlen(err.message, sizeof err.message) < sizeof err.message && err.message[0]);
        ASSERT(code == RDD_E_USAGE && argc == before_count);
    } else {
        ASSERT(ctx.master.slots >= 1 && ctx.master.executors >= 1 && ctx.master.text[0]);
        check_words(before, before_count, argv, argc);
        check_settings();
    }
    free(ctx.event_log);
    conf_clear();
    return 0;
}
