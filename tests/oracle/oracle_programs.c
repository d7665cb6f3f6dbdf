/* oracle_programs.c: the program that runs the cases (oracle.h). Called by oracle.sh.
 *
 *     oracle_programs [--master M …] [--oracle] [--seed N] [--only PART] [--partitions N] [--list]
 *
 * --oracle: what the models give, and no job runs. --only: cases whose name contains PART.
 */
#include "oracle.h"

#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

oracle_state oracle;

static oracle_case *cases; /* by name */

void oracle_register(oracle_case *c)
{
    oracle_case **at = &cases;
    while (*at && strcmp((*at)->name, c->name) < 0)
        at = &(*at)->next;
    c->next = *at;
    *at = c;
}

/* ---- files ---------------------------------------------------------------------------------- */

static char top_dir[PATH_MAX / 2];

static int remove_one(const char *path, const struct stat *status RDD_UNUSED_, int type RDD_UNUSED_,
                      struct FTW *at RDD_UNUSED_)
{
    return remove(path);
}

static void remove_all(void)
{
    nftw(top_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_top(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(top_dir, sizeof top_dir, "%s/rdd-oracle-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(top_dir)) {
        perror(top_dir);
        exit(1);
    }
}

/* ---- running -------------------------------------------------------------------------------- */

static uint64_t hash_name(const char *name)
{
    uint64_t h = 14695981039346656037u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return h;
}

static void run_case(const oracle_case *c, int64_t partitions)
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s/%s-%lld", top_dir, c->name, (long long)partitions);
    if (mkdir(dir, 0755) < 0) {
        perror(dir);
        exit(1);
    }
    oracle.dir = dir;
    oracle.partitions = partitions;
    oracle.random = (oracle.seed ^ hash_name(c->name)) + (uint64_t)partitions;
    say("== %s %lld", c->name, (long long)partitions);
    c->body();
    rdd_error left;
    if (oracle.ctx && rdd_take_error(oracle.ctx, &left))
        say("an error that nobody took: %s", left.message);
    fflush(stdout); /* a crash in a later case leaves this one's text */
    arena_release(&oracle.memory);
}

typedef struct choice {
    const char *only;
    int64_t partitions; /* 0: all */
    bool model, list;
} choice;

static void run_chosen(const choice *chosen)
{
    static const int64_t PARTITIONS[] = { 1, 2, 7, 40 };
    enum { ONCE = 2 }; /* which of them CASE_ONCE gets */
    for (const oracle_case *c = cases; c; c = c->next) {
        if (chosen->only && !strstr(c->name, chosen->only))
            continue;
        if (chosen->list) {
            say("%s", c->name);
            continue;
        }
        for (size_t i = 0; i < sizeof PARTITIONS / sizeof *PARTITIONS; i++)
            if (c->once ? i == ONCE : !chosen->partitions || chosen->partitions == PARTITIONS[i])
                run_case(c, PARTITIONS[i]);
    }
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s [--oracle] [--seed N] [--only PART] [--partitions N] [--list]\n",
            program);
    return 2;
}

static bool parse(int argc, char **argv, choice *ret)
{
    oracle.seed = 1;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--oracle"))
            ret->model = true;
        else if (!strcmp(argv[i], "--list"))
            ret->list = true;
        else if (!value)
            return false;
        else if (!strcmp(argv[i], "--seed"))
            oracle.seed = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--only"))
            ret->only = argv[++i];
        else if (!strcmp(argv[i], "--partitions"))
            ret->partitions = strtoll(argv[++i], NULL, 10);
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    choice chosen = { .only = NULL };
    if (!parse(argc, argv, &chosen))
        return usage(argv[0]);
    make_top();
    oracle.ctx = chosen.model ? NULL : ctx;
    run_chosen(&chosen);
    remove_all();
    if (chosen.model) /* where no RDD is: calls on NULL are no mistake */
        rdd_take_error(ctx, NULL);
    return rdd_finish(ctx);
}
