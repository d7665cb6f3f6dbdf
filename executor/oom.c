#include "oom.h"

#include <stdio.h>
#include <string.h>

/* The number behind "oom_kill " in a file of `key number` lines. */
static int64_t read_count(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    char line[128];
    long long count = -1;
    while (count < 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "oom_kill %lld", &count) != 1)
            count = -1;
    fclose(file);
    return count;
}

/* One line of /proc/self/cgroup: "0::/path" (version 2) or "4:memory:/path" (version 1). In a
 * container the path may be the host's, and the mount what is ours. */
static int64_t read_cgroup(char *line)
{
    line[strcspn(line, "\n")] = 0;
    char *path = strchr(line, '/'), file[600];
    int64_t count = -1;
    if (!path)
        return -1;
    if (strncmp(line, "0::", 3) == 0) {
        static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        for (size_t i = 0; i < ARRAY_SIZE(mounts) && count < 0; i++) {
            snprintf(file, sizeof file, "%s%s/memory.events", mounts[i], path);
            count = read_count(file);
        }
        return count >= 0 ? count : read_count("/sys/fs/cgroup/memory.events");
    }
    if (!strstr(line, ":memory:"))
        return -1;
    snprintf(file, sizeof file, "/sys/fs/cgroup/memory%s/memory.oom_control", path);
    count = read_count(file);
    return count >= 0 ? count : read_count("/sys/fs/cgroup/memory/memory.oom_control");
}

int64_t oom_kills(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return -1;
    char line[512];
    int64_t count = -1;
    while (count < 0 && fgets(line, sizeof line, file))
        count = read_cgroup(line);
    fclose(file);
    return count;
}
