#include "remove_tree.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

enum { OPEN_MAX_DEPTH = 16 };

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    remove(path);
    return 0;
}

/* So that what is in a directory without permissions can be removed after it. */
static int open_up(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)at;
    if (kind == FTW_DNR || (kind == FTW_D && (st->st_mode & S_IRWXU) != S_IRWXU))
        chmod(path, S_IRWXU);
    return 0;
}

bool remove_tree(const char *path)
{
    const int how = FTW_PHYS | FTW_MOUNT;
    nftw(path, remove_one, OPEN_MAX_DEPTH, how | FTW_DEPTH);
    if (access(path, F_OK)) /* most often */
        return errno == ENOENT;
    nftw(path, open_up, OPEN_MAX_DEPTH, how);
    nftw(path, remove_one, OPEN_MAX_DEPTH, how | FTW_DEPTH);
    return access(path, F_OK) && errno == ENOENT;
}
