/* hosts_entry.h: one entry of the hosts grammar (hosts.h), for hosts.c alone.
 *
 * An entry is parsed in place: what it points to are parts of the text it was made from. Its ranges
 * are not written out but counted: a name is made from its number when it is wanted, and a range of
 * a billion hosts costs nothing before it is refused.
 */
#ifndef RDD_HOSTS_ENTRY_H
#define RDD_HOSTS_ENTRY_H

#include "hosts.h"

enum { HOSTS_ENTRY_MAX = 4096, HOST_NAME_SIZE_MAX = 256 };

typedef struct hosts_entry {
    host h;       /* of each of its hosts; h.name may have ranges */
    size_t count; /* of hosts: 1 to HOSTS_MAX */
} hosts_entry;

/* Changes `text`. A failure says what is wrong and what would do; its caller adds where. */
int hosts_entry_parse(char *text, hosts_entry *ret, rdd_error *err);

/* The name of its host number `index`. */
int hosts_entry_name(const hosts_entry *e, size_t index, char name[HOST_NAME_SIZE_MAX],
                     rdd_error *err);

#endif
