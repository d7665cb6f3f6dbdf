/* error_fuzz.c: error_decode() over any bytes. What it accepts is terminated, is a failure, and
 * survives a round trip.
 */
#include "error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reader r = reader_over(data, size);
    rdd_error err, again;
    int code = error_decode(&r, &err);
    ASSERT(err.code < 0);
    ASSERT(strnlen(err.message, sizeof err.message) < sizeof err.message);
    ASSERT(strnlen(err.node, sizeof err.node) < sizeof err.node);
    if (code)
        return 0;

    buf b = { 0 };
    error_encode(&b, &err);
    ASSERT(!b.failed);
    r = reader_over(b.data, b.size);
    ASSERT(error_decode(&r, &again) == 0);
    ASSERT(reader_left(&r) == 0);
    ASSERT(again.code == err.code && again.os_errno == err.os_errno && again.job == err.job);
    ASSERT(!strcmp(again.message, err.message) && !strcmp(again.node, err.node));
    buf_release(&b);
    return 0;
}
