/* known_hosts_line.h: one line of a known_hosts file, and the words of host keys; for known_hosts.c
 * alone.
 *
 * A line comes from a file that anybody may have written: nothing in it is believed.
 */
#ifndef RDD_KNOWN_HOSTS_LINE_H
#define RDD_KNOWN_HOSTS_LINE_H

#include "arena.h"
#include "buf.h"
#include "known_hosts.h"

enum { NAME_HASH_SIZE = 20 /* of SHA-1, and of its salt */, KNOWN_HOST_NAME_MAX = 1100 };

typedef enum known_host_mark { MARK_NONE, MARK_REVOKED, MARK_AUTHORITY } known_host_mark;

typedef struct known_host_line {
    known_host_mark mark;
    bool hashed;
    unsigned char salt[NAME_HASH_SIZE], hash[NAME_HASH_SIZE]; /* of a hashed name */
    const char *names;        /* otherwise: patterns with commas between them */
    const unsigned char *key; /* blob */
    size_t key_size;
} known_host_line;

typedef enum line_verdict { LINE_GOOD, LINE_EMPTY, LINE_BAD, LINE_NO_MEMORY } line_verdict;

/* `size` bytes without the line's end. What it points to afterwards is in `a`. */
line_verdict known_host_line_parse(const char *text, size_t size, arena *a, known_host_line *ret);

/* `name` as known_host_name() makes it. */
bool known_host_line_is_for(const known_host_line *line, const char *name);

/* "host", or "[host]:port" where the port is not SSH's own, in lower case. False: too long. */
bool known_host_name(const char *host, uint16_t port, char name[KNOWN_HOST_NAME_MAX]);

/* Appends the line for a name and a key, with its end. False when there is no randomness for the
 * salt of a hashed name. */
bool known_host_line_print(const char *name, const void *key, size_t key_size, bool hash_name,
                           buf *out);

#endif
