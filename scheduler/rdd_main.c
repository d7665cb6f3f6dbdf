/* rdd_main.c: the `rdd` command line tool. */
#include "rdd_tool.h"

#include <stdio.h>
#include <string.h>

static const char HELP[] =
    "Resilient distributed datasets for C over plain SSH: the tool beside the library.\n"
    "\n"
    "  rdd hosts check [HOSTS]   can these machines be used? A row for each, with the time of each\n"
    "                            step, and for what fails what to do about it\n"
    "  rdd hosts clean [HOSTS]   removes what programs have left in their cache directories there;\n"
    "                            what is running stays\n"
    "  rdd hosts list [HOSTS]    what HOSTS means, one a line\n"
    "  rdd version, rdd help\n"
    "\n"
    "HOSTS is what comes after --master ssh:// in a program, such as n1,4/n2,me@n3:2222 or n[01-16],\n"
    "or @FILE, or several of them; without it, RDD_HOSTS.\n"
    "\n"
    "  --conf KEY=VALUE          a setting, as for programs: ssh.config, ssh.host_key, ssh.transport …\n"
    "  --verbose                 says how each machine is reached\n"
    "\n"
    "It ends with 0 when all is well, 1 when something failed, 2 when it was called wrongly.\n";

static int run(rdd_context *ctx, int argc, char **argv, rdd_error *err)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (!strcmp(command, "hosts"))
        return tool_hosts(ctx, argc - 1, argv + 1, err);
    if (!strcmp(command, "help") || !strcmp(command, "--help") || !strcmp(command, "-h")) {
        fputs(HELP, stdout);
        return 0;
    }
    if (!strcmp(command, "version") || !strcmp(command, "--version")) {
        puts("rdd " RDD_VERSION);
        return 0;
    }
    return error_set(err, RDD_E_USAGE, *command ? "there is no command \"%.100s\"; try rdd help"
                                                : "rdd hosts check n1,n2 is what to try first; all "
                                                  "commands: rdd help",
                     command);
}

int main(int argc, char **argv)
{
    rdd_error err;
    rdd_context *ctx = rdd_init(&argc, argv);
    int status = run(ctx, argc, argv, &err);
    if (status < 0)
        context_fail(ctx, &err);
    int end = rdd_finish(ctx);
    if (fflush(stdout) && !end)
        end = 1;
    return status > 0 ? status : end;
}
