/* ssh_config.h: what the user's ssh configuration says about a host, as `ssh -G` prints it.
 *
 * For ssh_target.c. The ssh program is run without a shell, with nothing of ours but stderr's pipe,
 * and for two seconds at most. What it prints is kept as lines of key and value; keys are in lower
 * case, and one key may have several lines.
 */
#ifndef RDD_SSH_CONFIG_H
#define RDD_SSH_CONFIG_H

#include "arena.h"
#include "error.h"

typedef struct ssh_config_line {
    const char *key, *value;
} ssh_config_line;

typedef struct ssh_config {
    ssh_config_line *lines;
    size_t count;
    bool found; /* there is an ssh program */
} ssh_config;

/* argv: "ssh", "-G", …, NULL. Everything lives in `a`. Without an ssh program it succeeds with
 * found = false; when that says no, its own words are the error. */
int ssh_config_ask(const char *const *argv, arena *a, ssh_config *ret, rdd_error *err);

/* The value of the first line with that key, NULL when there is none. */
const char *ssh_config_get(const ssh_config *c, const char *key);

#endif
