#include "line_splitter.h"

static const char CUT[] = "\xe2\x80\xa6"; /* … */

static void visit_line(line_splitter *l, line_visit visit, void *arg)
{
    if (!l->overlong && l->size && l->data[l->size - 1] == '\r')
        l->size--;
    visit(arg, (rdd_str){ l->size, l->data });
    l->size = 0;
}

static void append(line_splitter *l, const char *bytes, size_t size)
{
    size_t room = sizeof l->data - (sizeof CUT - 1) - l->size;
    if (l->overlong)
        return;
    memcpy(l->data + l->size, bytes, size_min(size, room));
    l->size += size_min(size, room);
    if (size > room) {
        memcpy(l->data + l->size, CUT, sizeof CUT - 1);
        l->size += sizeof CUT - 1;
        l->overlong = true;
    }
}

void line_splitter_feed(line_splitter *l, const char *bytes, size_t size, line_visit visit,
                        void *arg)
{
    while (size) {
        const char *end = memchr(bytes, '\n', size);
        size_t piece = end ? (size_t)(end - bytes) : size;
        append(l, bytes, piece);
        if (!end)
            return;
        visit_line(l, visit, arg);
        l->overlong = false;
        bytes = end + 1;
        size -= piece + 1;
    }
}

void line_splitter_end(line_splitter *l, line_visit visit, void *arg)
{
    if (l->size)
        visit_line(l, visit, arg);
    l->overlong = false;
}
