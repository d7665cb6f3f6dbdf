/* shared_paths.c: see shared_paths.h. */
#include "shared_paths.h"

#include "conf.h"

#include <errno.h>
#include <string.h>

/* As realpath(), but the last names need not be there. NULL: out of memory, or no such place. */
static char *resolve(const char *path, arena *a)
{
    char *head = arena_strdup(a, path);
    size_t size = head ? strlen(head) : 0;
    while (size) {
        CLEANUP(freep) char *real = realpath(head, NULL);
        if (real)
            return arena_format(a, "%s%s", strcmp(real, "/") == 0 ? "" : real, path + size);
        if (errno != ENOENT)
            return NULL;
        while (size && head[size - 1] != '/')
            size--;
        while (size > 1 && head[size - 1] == '/')
            size--;
        if (!size)
            return NULL; /* relative, and nothing of it is there */
        head[size] = 0;
        if (size == 1)
            return arena_strdup(a, path);
    }
    return NULL;
}

static bool is_below(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    while (size && directory[size - 1] == '/')
        size--;
    return strncmp(path, directory, size) == 0 && (path[size] == '/' || !path[size]);
}

int shared_path(const char *path, arena *a, const char **ret, rdd_error *err)
{
    const char *list = conf_text("shared");
    *ret = NULL;
    if (!*list)
        return 0;
    const char *real = resolve(path, a);
    while (real && *list) {
        size_t size = strcspn(list, ",");
        char *directory = arena_format(a, "%.*s", (int)size, list);
        if (!directory)
            return error_set_memory(err, "looking for shared files");
        if (size && *directory != '/')
            return error_set(err, RDD_E_USAGE,
                             "--conf shared=%s: %s is not absolute; give directories as they are "
                             "called on every node",
                             conf_text("shared"), directory);
        const char *resolved = size ? resolve(directory, a) : NULL;
        if (size && is_below(real, resolved ? resolved : directory)) {
            *ret = real;
            return 0;
        }
        list += size + (list[size] == ',');
    }
    return 0;
}
