/* hosts_watch.h: a hosts file that is read again when it changes.
 *
 * driver_nodes.c starts one for --master ssh:@FILE. A thread waits for the file to be written or
 * replaced, reads it, and tells which hosts are new, which are gone, and which are back; one whose keys
 * changed is gone, and another one is new. A file that cannot be read or understood changes nothing,
 * and that is said. The path may be a symbolic link: then it is also watched where that leads.
 */
#ifndef RDD_HOSTS_WATCH_H
#define RDD_HOSTS_WATCH_H

#include "hosts.h"

typedef struct hosts_watch hosts_watch;

/* Called from the watch's thread. Hosts are numbered in the order in which they became known, those
 * of the first list from 0 on; a host that comes back has its old number. */
typedef struct hosts_watch_ops {
    int (*add)(void *arg, uint32_t number, const host *h, rdd_error *err);
    void (*back)(void *arg, uint32_t number);
    void (*gone)(void *arg, uint32_t number);
    void (*say)(void *arg, const char *text); /* one line */
} hosts_watch_ops;

/* `first` is what was read before; both strings and ops outlive it. */
int hosts_watch_start(hosts_watch **ret, const char *path, const host_list *first,
                      const hosts_watch_ops *ops, void *arg, rdd_error *err);

/* Ends the thread: nothing is called afterwards. NULL is fine. */
void *hosts_watch_stop(hosts_watch *w);

#endif
