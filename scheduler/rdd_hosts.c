#include "rdd_tool.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_SIZE = 600 };

/* -- Which hosts ------------------------------------------------------------------------------- */

/* "n1,n2", "ssh://n1", "@hosts.txt", "ssh:@hosts.txt"; "" and "ssh:" are RDD_HOSTS. */
static int parse_argument(const char *text, host_list *hosts, rdd_error *err)
{
    CLEANUP(freep) char *file = NULL;
    if (!strncmp(text, "ssh://", 6))
        text += 6;
    else if (!strncmp(text, "ssh:", 4))
        text += 4;
    if (!*text || *text == '@')
        return hosts_of_master(text, "HOSTS", hosts, &file, err);
    return hosts_parse(text, "HOSTS", hosts, err);
}

static int parse_hosts(rdd_context *ctx, int argc, char **argv, host_list *hosts, rdd_error *err)
{
    int code = 0;
    if (!argc && ctx->master.kind == MASTER_SSH) {
        *hosts = TAKE_STRUCT(&ctx->master.hosts);
        return 0;
    }
    if (!argc)
        return parse_argument("", hosts, err);
    for (int i = 0; i < argc && code == 0; i++)
        code = *argv[i] == '-' ? error_set(err, RDD_E_USAGE, "%.100s: there is no such option; try "
                                                             "rdd help",
                                           argv[i])
                               : parse_argument(argv[i], hosts, err);
    return code;
}

size_t tool_names_width(const host_list *hosts)
{
    size_t width = strlen("host");
    for (size_t i = 0; i < hosts->count; i++) {
        char name[NAME_MAX_SIZE];
        host_describe(&hosts->items[i], name, sizeof name);
        width = size_max(width, strlen(name));
    }
    return size_min(width, 60);
}

/* -- list -------------------------------------------------------------------------------------- */

static void print_value(const char *key, const char *value)
{
    if (value)
        printf(strpbrk(value, ", \t#") ? " %s=\"%s\"" : " %s=%s", key, value);
}

/* As the grammar has it, so that the list is a hosts file. */
static int tool_list(rdd_context *ctx UNUSED, const host_list *hosts, rdd_error *err UNUSED)
{
    for (size_t i = 0; i < hosts->count; i++) {
        const host *h = &hosts->items[i];
        bool brackets = !h->local && strchr(h->name, ':');
        if (h->slots)
            printf("%u/", h->slots);
        if (h->user)
            printf("%s@", h->user);
        printf("%s%s%s", brackets ? "[" : "", h->name, brackets ? "]" : "");
        if (h->port)
            printf(":%u", h->port);
        print_value("identity", h->identity);
        print_value("jump", h->jump);
        print_value("workdir", h->workdir);
        print_value("address", h->address);
        putchar('\n');
    }
    return 0;
}

/* -- Which command ----------------------------------------------------------------------------- */

int tool_hosts(rdd_context *ctx, int argc, char **argv, rdd_error *err)
{
    static const struct { const char *name; tool_command *command; } COMMANDS[] = {
        { "check", tool_check },
        { "clean", tool_clean },
        { "list", tool_list },
    };
    host_list hosts = { 0 };
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(COMMANDS); i++) {
        if (strcmp(argv[1], COMMANDS[i].name) != 0)
            continue;
        int code = parse_hosts(ctx, argc - 2, argv + 2, &hosts, err);
        if (code == 0)
            code = COMMANDS[i].command(ctx, &hosts, err);
        host_list_release(&hosts);
        return code;
    }
    return error_set(err, RDD_E_USAGE, "rdd hosts check, rdd hosts clean or rdd hosts list; try "
                                       "rdd help");
}
