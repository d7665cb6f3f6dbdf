/* rdd_tool.h: the `rdd` command line tool: what its commands share.
 *
 * rdd_main.c has main and finds the command, rdd_hosts.c the hosts that a command is about. The
 * tool is a driver like any other: it starts itself on nodes as a program would.
 */
#ifndef RDD_TOOL_H
#define RDD_TOOL_H

#include "context.h"

/* The exit status, or a negative code. */
typedef int tool_command(rdd_context *ctx, const host_list *hosts, rdd_error *err);

/* rdd_hosts.c: `rdd hosts …`, argv[0] being "hosts". */
int tool_hosts(rdd_context *ctx, int argc, char **argv, rdd_error *err);

tool_command tool_check; /* rdd_check.c */
tool_command tool_clean; /* rdd_clean.c */

/* rdd_each.c: does something for each host, several side by side, as many as an sshd lets wait
 * before it drops some. `work` is called on threads of its own, `done` in the order of the hosts,
 * by the caller's thread. */
enum { TOOL_DIALS_MAX = 8 };

typedef struct tool_each {
    size_t count;
    void (*work)(void *arg, size_t index);
    void (*done)(void *arg, size_t index);
    void *arg;
} tool_each;

int tool_each_run(const tool_each *each, rdd_error *err);

/* As long as the longest of the hosts' names, and the width of a title. */
size_t tool_names_width(const host_list *hosts);

#endif
