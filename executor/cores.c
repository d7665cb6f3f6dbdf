#include "cores.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32 };

static bool read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t got = fread(text, 1, size - 1, file);
    fclose(file);
    text[got] = 0;
    return got > 0;
}

/* Processors that `quota` out of `period` microseconds are; 0: as many as there are. */
static uint32_t cores_of(long long quota, long long period)
{
    return quota > 0 && period > 0 ? (uint32_t)((quota + period - 1) / period) : 0;
}

static uint32_t quota_v2(const char *directory)
{
    char path[600], text[64];
    long long quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", directory);
    if (!read_file(path, text, sizeof text) || sscanf(text, "%lld %lld", &quota, &period) != 2)
        return 0; /* none here, or "max" */
    return cores_of(quota, period);
}

static uint32_t quota_v1(const char *directory)
{
    char path[600], quota[32], period[32];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
    if (!read_file(path, quota, sizeof quota))
        return 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    if (!read_file(path, period, sizeof period))
        return 0;
    return cores_of(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* The least of what a cgroup and those above it allow; 0: no limit. */
static uint32_t least_quota(const char *root, const char *group, uint32_t (*quota)(const char *))
{
    char path[512];
    uint32_t least = 0;
    snprintf(path, sizeof path, "%s%s", root, group);
    for (int depth = 0; depth < DEPTH_MAX && strlen(path) >= strlen(root); depth++) {
        uint32_t here = quota(path);
        if (here && (!least || here < least))
            least = here;
        char *slash = strrchr(path, '/');
        if (!slash)
            break;
        *slash = 0;
    }
    return least;
}

static uint32_t quota_of_cgroup(void)
{
    char text[4096];
    uint32_t least = 0;
    if (!read_file("/proc/self/cgroup", text, sizeof text))
        return 0;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        strsep(&line, ":"); /* the number of the hierarchy */
        char *controllers = strsep(&line, ":");
        if (!controllers || !line)
            continue;
        uint32_t here = 0;
        if (!*controllers)
            here = least_quota("/sys/fs/cgroup", line, quota_v2);
        else if (strstr(controllers, "cpu"))
            here = least_quota("/sys/fs/cgroup/cpu", line, quota_v1);
        if (here && (!least || here < least))
            least = here;
    }
    return least;
}

uint32_t cores_allowed(void)
{
    cpu_set_t set;
    uint32_t cores = sched_getaffinity(0, sizeof set, &set) ? 1 : (uint32_t)CPU_COUNT(&set);
    uint32_t quota = quota_of_cgroup();
    return quota && quota < cores ? quota : cores;
}
