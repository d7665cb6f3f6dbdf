/* hosts.h: which machines a user names: the grammar of --master ssh://…, hosts files and RDD_HOSTS.
 *
 *     [slots/][user@]host[:port] [key=value …]
 *
 * separated by commas or lines; "#" begins a comment. A host may be an alias of the user's ssh
 * configuration, a name, an address, "[v6]" (a port after it only), ":" for this machine without
 * SSH, or a range: n[01-16], n[1,3-5], rack[1-2]-n[1-4]. Keys: slots, identity, jump, workdir,
 * address; a value with a comma or a blank in it stands in double quotes. Slots may also stand
 * behind: host/4. So ssh://n1,4/n2, a parallel --slf file, Spark's conf/workers and an MPI hostfile
 * are all understood.
 *
 * This is text to plain data and nothing else: no look-up, no file but the hosts file itself. What
 * it lets through is safe as an argument of a program: no name, user or jump host begins with "-",
 * and none has a blank or a character that a shell knows.
 */
#ifndef RDD_HOSTS_H
#define RDD_HOSTS_H

#include "error.h"

typedef struct host {
    char *name;     /* as written, for ssh -G and for messages; ":" is this machine */
    char *user;     /* NULL: not given, as are the others */
    char *identity; /* path of a private key; may begin with "~/" */
    char *jump;     /* as ssh -J takes it */
    char *workdir;  /* on the node: where tasks run; absolute */
    char *address;  /* what to connect to instead of the name */
    uint32_t slots; /* 0: as many as the node has processors */
    uint16_t port;  /* 0: not given */
    bool local;     /* name is ":" */
} host;

typedef struct host_list {
    host *items;
    size_t count;
} host_list;

enum { HOSTS_MAX = 4096 };

/* `where` comes first in messages: "HOSTS", "hosts.txt"; "": nothing does. A failure names the line (of
 * several) and the entry, and says what would do. Appends to *list, or leaves it alone when it fails. A
 * host that is there already is an error, as is a text without any. */
int hosts_parse(const char *text, const char *where, host_list *list, rdd_error *err);
int hosts_read(const char *path, host_list *list, rdd_error *err);

/* What comes after "ssh://", or "@FILE" for what comes after "ssh:"; "" takes RDD_HOSTS, which is a
 * list or "@FILE". *ret_file: heap, the file that was read, to be read again when it changes; NULL
 * when there was none. `where` as above, but for RDD_HOSTS. */
int hosts_of_master(const char *text, const char *where, host_list *list, char **ret_file,
                    rdd_error *err);

/* "user@name:port" as far as given, "this machine" for ":"; for messages and prefixes of lines. */
void host_describe(const host *h, char *text, size_t size);

void host_list_release(host_list *list);

#endif
