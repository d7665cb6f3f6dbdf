/* exact_text.h: text that ends where its memory ends, so that the address sanitizer sees a read of
 * one byte too many. Include it after test.h.
 */
#ifndef RDD_EXACT_TEXT_H
#define RDD_EXACT_TEXT_H

#include "base.h"
#include "rdd.h"

/* Good until the next call. */
TEST_HELPER rdd_str exact(const char *data, size_t size)
{
    static char *last;
    free(last);
    last = malloc(size_max(size, 1));
    if (size)
        memcpy(last, data, size);
    return (rdd_str){ size, last };
}

#endif
