#include "deploy.h"
#include <limits.h>
#include <stdio.h>
struct deploy { char command[PATH_MAX + 200]; char mark[40]; char seen[4096]; size_t n; deploy_step at; };
int bundle_make(bundle **ret, rdd_error *err) { (void)err; *ret = calloc(1, sizeof **ret); return 0; }
void *bundle_free(bundle *b) { free(b); return NULL; }
int deploy_new(deploy **ret, const bundle *b, const deploy_options *o, rdd_error *err)
{
    (void)b; (void)err;
    deploy *d = calloc(1, sizeof *d);
    char path[PATH_MAX] = "";
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    (void)n;
    snprintf(d->mark, sizeof d->mark, "%016llx start\n", (unsigned long long)o->nonce);
    snprintf(d->command, sizeof d->command, "exec /bin/sh -c 'echo %.22s; exec %s --rdd-supervisor'", d->mark, path);
    *ret = d; return 0;
}
void *deploy_free(deploy *d) { free(d); return NULL; }
const char *deploy_command(const deploy *d) { return d->command; }
deploy_step deploy_at(const deploy *d) { return d->at; }
uint64_t deploy_uploaded(const deploy *d) { (void)d; return 0; }
int deploy_input(deploy *d, const char *b, size_t size, size_t *used, rdd_error *err)
{
    (void)err;
    for (*used = 0; *used < size;) {
        if (d->n < sizeof d->seen - 1) d->seen[d->n++] = b[*used];
        ++*used;
        if (strstr(d->seen, d->mark)) { d->at = DEPLOY_STARTED; return 0; }
    }
    return 0;
}
const char *deploy_output(deploy *d, size_t *s, int *c, rdd_error *e) { (void)d; (void)e; *c = 0; *s = 0; return NULL; }
void deploy_wrote(deploy *d, size_t size) { (void)d; (void)size; }
void deploy_ended(const deploy *d, rdd_str said, const char *how, rdd_error *ret)
{ (void)d; error_set(ret, RDD_E_LOST, "ended: %s; said %.*s", how, (int)said.size, said.data); }
