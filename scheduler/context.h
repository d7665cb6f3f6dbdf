/* context.h: a driver's session: settings, the memory of its lineage, its results and its errors.
 *
 * The public functions of rdd.h are spread by topic: context.c (rdd_init … rdd_finish), sources.c,
 * transformations.c, actions_*.c, save*.c; all of them work on this struct.
 */
#ifndef RDD_CONTEXT_H
#define RDD_CONTEXT_H

#include "hosts.h"
#include "job.h"
#include "lineage.h"

#include <stdatomic.h>

typedef enum explain_mode { EXPLAIN_NO, EXPLAIN_TEXT, EXPLAIN_DOT } explain_mode;
typedef enum verbosity {
    VERBOSITY_AUTO,
    VERBOSITY_QUIET,
    VERBOSITY_PROGRESS,
    VERBOSITY_VERBOSE,
} verbosity;

typedef enum master_kind { MASTER_LOCAL, MASTER_LOCAL_CLUSTER, MASTER_SSH } master_kind;

typedef struct master {
    master_kind kind;
    uint32_t executors;
    uint32_t slots;   /* of an executor; of MASTER_SSH 0: each host says */
    host_list hosts;  /* of MASTER_SSH */
    char *hosts_file; /* heap; NULL: there is none */
    char names[200];  /* of the first hosts, for messages */
    char text[256];   /* as given, perhaps cut */
} master;

struct driver;
struct file_server;

/* A block of memory that holds one action's result, until rdd_free or the end. */
typedef struct kept_result {
    struct kept_result *next;
    const void *key;     /* what the user holds */
    void *items;         /* heap, or NULL */
    job_results results; /* blocks that the items point into */
    arena strings;
} kept_result;

typedef struct named_count {
    struct named_count *next;
    int64_t value;
    char name[];
} named_count;

struct rdd_context {
    pthread_mutex_t mutex;
    /* under the mutex */
    arena memory;
    uint32_t next_node;
    kept_result *results;
    rdd_error error;
    bool has_error;
    atomic_bool has_failed; /* ever, also when the error was taken */
    int status;          /* of rdd_report, if the error is one of those; otherwise 0 */
    named_count *counts; /* by name */
    struct driver *driver; /* made at the first action */
    struct rdd_local_iterator *iterators; /* not closed yet */
    struct spool *spools;  /* standard input, once read */

    pthread_mutex_t prepare_mutex; /* one `prepare` of a node at a time */
    pthread_mutex_t explain_mutex; /* plans of several threads do not mix */
    atomic_uint next_job, next_stage;
    atomic_bool interrupted;       /* ^C: no new jobs */
    atomic_uint saves;             /* that have a staging directory: ^C lets them remove it */

    /* constant after rdd_init */
    struct file_server *files;     /* serves them to executors that cannot open them */
    master master;
    explain_mode explain;
    verbosity verbosity;
    char *event_log;
    char *program;
    struct bundle *task_files; /* --conf files=…: open, so that they stay what they were; NULL: none */
};

/* "local[2]" and so on; the message says what forms there are. */
int master_parse(const char *text, master *ret, rdd_error *err);
void master_release(master *m);

/* Takes the library's options out of argv. */
int options_parse(rdd_context *ctx, int *argc, char **argv, rdd_error *err);

/* Keeps a result until rdd_free(ctx, key); takes over a heap block, blocks of results and an arena,
 * each of which may be NULL. RDD_E_MEMORY when it cannot; then everything was released. */
int context_keep(rdd_context *ctx, const void *key, void *items, job_results *results,
                 arena *strings);

void context_count(rdd_context *ctx, const char *name, size_t size, int64_t by);

/* Closes what the program left open; the threads behind it are then gone. */
void local_iterators_close(rdd_context *ctx);

/* False for a NULL context or RDD. It is an error, unless one is known that it may come from; in an operator,
 * where all are NULL on an executor, its task's. */
bool context_there(const void *it, const char *call, const char *site);

/* A new node, all zeros but ctx, id, kind, type and site; in the context's memory. NULL and the
 * error is in the context. */
rdd *context_node(rdd_context *ctx, node_kind kind, const rdd_type *type, const char *site,
                  const char *name);

/* Copies into the context's memory, locked. NULL when out of memory. */
void *context_copy(rdd_context *ctx, const void *data, size_t size);
const char *context_text(rdd_context *ctx, const char *text);

#endif
