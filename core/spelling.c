#include "spelling.h"

#include "base.h"

#include <stdint.h>
#include <string.h>

enum { NAME_MAX_SIZE = 63 };

/* rows[0] is for the word's first i bytes, rows[1] and rows[2] for one and two less; place j is for the
 * name's first j. */
typedef struct table {
    size_t rows[3][NAME_MAX_SIZE + 1];
} table;

static void add_row(table *t, const char *word, size_t i, const char *name, size_t length)
{
    memmove(t->rows[1], t->rows[0], 2 * sizeof t->rows[0]);
    size_t *row = t->rows[0], *last = t->rows[1], *before = t->rows[2];
    row[0] = i;
    for (size_t j = 1; j <= length; j++) {
        bool same = word[i - 1] == name[j - 1];
        row[j] = size_min(last[j - 1] + !same, size_min(last[j], row[j - 1]) + 1);
        if (i > 1 && j > 1 && word[i - 1] == name[j - 2] && word[i - 2] == name[j - 1])
            row[j] = size_min(row[j], before[j - 2] + 1);
    }
}

size_t spelling_slips(const char *word, size_t size, const char *name, size_t *ret_beginning)
{
    table t = { 0 };
    size_t length = strlen(name);
    size_t beginning = SIZE_MAX;
    if (ret_beginning)
        *ret_beginning = beginning;
    if (length > NAME_MAX_SIZE)
        return SIZE_MAX;
    for (size_t j = 0; j <= length; j++)
        t.rows[0][j] = j;
    for (size_t i = 1; i <= size; i++)
        add_row(&t, word, i, name, length);
    for (size_t j = 0; j <= length; j++)
        beginning = size_min(beginning, t.rows[0][j]);
    if (ret_beginning)
        *ret_beginning = beginning;
    return t.rows[0][length];
}
