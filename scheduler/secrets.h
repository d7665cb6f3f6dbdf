/* secrets.h: a command line with what looks like a secret masked, for a file that others may read.
 *
 * A guess, and on the safe side: the value of an option, header, parameter or JSON field whose name
 * speaks of passwords, tokens or keys, and the user of a URL. The program's environment and its
 * operators' env are never written, so they need none of this.
 */
#ifndef RDD_SECRETS_H
#define RDD_SECRETS_H

#include "buf.h"

/* Appends `word` with "***" for secrets. Returns whether the next word is one: this one is an
 * option such as --password, and its value is to come. */
bool secrets_mask(buf *out, const char *word, size_t size);

#endif
