/* full_disk.h: a tiny file system of its own, for tests of what happens when a disk is full. */
#ifndef RDD_FULL_DISK_H
#define RDD_FULL_DISK_H

#include <sys/mount.h>
#include <sys/stat.h>

#include "test.h"

static const char *full_disk_path_;

TEST_HELPER void full_disk_remove(void)
{
    if (full_disk_path_)
        umount2(full_disk_path_, MNT_DETACH);
    full_disk_path_ = NULL;
}

/* Mounts one of `size` bytes in the test's directory; NULL without the right to. */
TEST_HELPER const char *full_disk(size_t size)
{
    static bool registered;
    static char path[PATH_MAX];
    char options[64];
    snprintf(path, sizeof path, "%s", test_path("disk"));
    snprintf(options, sizeof options, "size=%zu", size);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return NULL;
    if (mount("none", path, "tmpfs", 0, options) < 0)
        return NULL;
    full_disk_path_ = path;
    if (!registered)
        atexit(full_disk_remove); /* before the directory is removed: the last one comes first */
    registered = true;
    return path;
}

#endif
