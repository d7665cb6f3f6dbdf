/* spelling.h: how far a word is from one that is known; for "did you mean". */
#ifndef RDD_SPELLING_H
#define RDD_SPELLING_H

#include <stddef.h>

/* How many slips make `word`, `size` bytes, of `name`: a letter wrong, missing, too many, or two in the
 * wrong order (optimal string alignment: Damerau 1964, Wagner and Fischer 1974). *ret_beginning, which
 * may be NULL: how many make it of the nearest beginning of the name. Both are SIZE_MAX for names of 64
 * bytes or more. */
size_t spelling_slips(const char *word, size_t size, const char *name, size_t *ret_beginning);

#endif
