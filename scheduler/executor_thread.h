/* executor_thread.h: the thread behind one executor: starts it, runs its connection, starts it again.
 *
 * Inside of backend_executors.c. What the thread and the scheduler's thread share is under the
 * executor's mutex; nothing is posted and no user code runs under it.
 */
#ifndef RDD_EXECUTOR_THREAD_H
#define RDD_EXECUTOR_THREAD_H

#include "backend_executors.h"
#include "buf.h"
#include "call_desk.h"
#include "connection.h"
#include "file_server.h"
#include "line_splitter.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct staged_plan {
    uint32_t stage;
    rdd_str bytes;
} staged_plan;

typedef struct executors_backend executors_backend;

typedef struct executor {
    executors_backend *backend;
    uint32_t number;
    place *place;
    pthread_t thread;
    int wake_fd;              /* readable: look at what changed */
    executor_link *link;      /* the thread's, as are the next ones */
    line_splitter *lines;     /* of the link's stderr */
    file_client *files;       /* of the incarnation; NULL when it opens files itself */
    uint32_t failures;        /* incarnations in a row without an outcome */
    bool ended;               /* the channel came to its end */
    bool was_up;              /* an incarnation has been */
    pthread_mutex_t mutex;
    /* under the mutex */
    connection *connection;   /* NULL while there is none */
    uint32_t incarnation;
    uint32_t slots;           /* of the incarnation that is up; 0: none is */
    pid_t pid;
    bool wanted;              /* it is to run: started again when it ends */
    bool release;             /* the incarnation that there is, is to end and that is all */
    bool replace, sleeping;
} executor;

struct executors_backend {
    backend base;
    event_sink sink;
    executor_log log;
    call_desk *calls;
    executor_log_print print;
    void *print_arg;
    file_server *files;       /* for remote places; may be NULL */
    uint64_t digest;          /* of the operators, and which program this is */
    const char *build_id;
    buf conf;
    uint32_t room;            /* for executors, all in all */
    atomic_uint count, started; /* one that is counted is ready to be used */
    bool on_demand;           /* executors run when start_executor() says so */
    atomic_bool stopping;
    pthread_mutex_t mutex;
    /* under the mutex; taken before an executor's */
    staged_plan *plans;
    size_t plan_count, plan_capacity;
    executor executors[];
};

/* The thread; `arg` is the executor. Ends when the backend stops. */
void *executor_thread(void *arg);

/* Its thread looks at what changed; under its mutex. */
void executor_wake_locked(executor *e);

static inline bool backend_is_stopping(const executors_backend *b)
{
    return atomic_load_explicit(&b->stopping, memory_order_acquire);
}

#endif
