/* line_splitter.h: bytes of a program's output into lines of bounded length. */
#ifndef RDD_LINE_SPLITTER_H
#define RDD_LINE_SPLITTER_H

#include "protocol.h"

typedef struct line_splitter {
    size_t size;
    bool overlong; /* the rest of the line is dropped */
    char data[LOG_LINE_MAX];
} line_splitter;

typedef void (*line_visit)(void *arg, rdd_str line);

/* Visits each line that is complete now, without its end; one past LOG_LINE_MAX is cut, with
 * "…". */
void line_splitter_feed(line_splitter *l, const char *bytes, size_t size, line_visit visit,
                        void *arg);

/* The end of input: what is left is a line too. */
void line_splitter_end(line_splitter *l, line_visit visit, void *arg);

#endif
