/* sources.h: what sources keep in their context. */
#ifndef RDD_SOURCES_H
#define RDD_SOURCES_H

#include "context.h"
#include "input_paths.h"

/* Standard input, once it was read: "-" names it again and again. */
typedef struct spool {
    input_spool file;
} spool;

void spools_free(struct spool *s);

#endif
