#include "node.h"

#include "entry.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>

enum { LEAST_PRIORITY = 19 };

static const char *const VARIABLES[] = { "RDD_WORK", "RDD_FILES", "RDD_CACHE", "RDD_START",
                                         "RDD_BUNDLE", "RDD_FILE_LIST" };

static const char DRIVER_DIRECTORY[] = "RDD_DRIVER_DIRECTORY";

/* At a low priority, as removing may take a while; the kernel has that for each thread. */
static void *clean(void *arg)
{
    node *n = arg;
    setpriority(PRIO_PROCESS, 0, LEAST_PRIORITY);
    if (n->work.path)
        workdir_sweep(n->work.base, &n->stop);
    if (n->cache.path && !n->stop)
        node_cache_prune(&n->cache, NODE_CACHE_KEEP, &n->stop);
    return NULL;
}

static uint64_t number_of(const char *start)
{
    uint64_t number = start ? strtoull(start, NULL, 16) : 0;
    if (!start && getrandom(&number, sizeof number, 0) != sizeof number)
        number = (uint64_t)getpid();
    return number;
}

static void tell_authorities(const char *cache, const char *bundle)
{
    CLEANUP(freep) char *path = NULL;
    if (asprintf(&path, "%s/bundles/%s/ca.pem", cache, bundle) < 0)
        path = NULL;
    if (path && !access(path, R_OK))
        setenv("RDD_CA_FILE", path, 1);
}

static const char *last_part(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

int node_enter(node *n, rdd_error *err)
{
    *n = (node){ .work = { .lock_fd = -1 }, .cache = { .claim_fd = -1 } };
    const char *work = getenv("RDD_WORK"), *files = getenv("RDD_FILES"), *cache = getenv("RDD_CACHE"),
               *start = getenv("RDD_START"), *bundle = getenv("RDD_BUNDLE"),
               *list = getenv("RDD_FILE_LIST");
    int code = 0;
    if (cache && start && bundle) {
        code = node_cache_open(&n->cache, cache, start, bundle, last_part(files), err);
        tell_authorities(cache, bundle);
    }
    char here[PATH_MAX];
    unsetenv(DRIVER_DIRECTORY); /* of a driver that runs the task that runs ours */
    if (list && getcwd(here, sizeof here))
        setenv(DRIVER_DIRECTORY, here, 1);
    if (code == 0 && work && *work)
        code = workdir_open(&n->work, work, number_of(start), files, list, err);
    for (size_t i = 0; i < ARRAY_SIZE(VARIABLES); i++)
        unsetenv(VARIABLES[i]);
    if (code < 0)
        node_leave(n);
    else if (n->work.path || n->cache.path)
        n->cleaning = pthread_create(&n->cleaner, NULL, clean, n) == 0;
    return code;
}

void node_leave(node *n)
{
    n->stop = true;
    if (n->cleaning)
        pthread_join(n->cleaner, NULL);
    n->cleaning = false;
    workdir_close(&n->work);
    node_cache_close(&n->cache);
}

/* -- For workers ------------------------------------------------------------------------------- */

static int driver_directory = AT_FDCWD;

static void find_driver_directory(void)
{
    const char *path = entry_is_executor() ? getenv(DRIVER_DIRECTORY) : NULL;
    int fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0)
        driver_directory = fd;
}

int node_driver_directory(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_driver_directory);
    return driver_directory;
}
