/* pages.h: memory for large blocks that are filled once, from the beginning to the end.
 *
 * The system gives such memory as a promise: the first write to each page waits until it was found
 * and cleared, which for a block that comes over a network takes a quarter of the receiver's time.
 * Here huge pages are asked for, and a thread, which is there only while it has work, has them made
 * ahead of whoever fills them.
 */
#ifndef RDD_PAGES_H
#define RDD_PAGES_H

#include <stddef.h>

/* As malloc(); free() it, whenever. From any thread. */
void *pages_alloc(size_t size);

#endif
