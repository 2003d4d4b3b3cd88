/* The CPU time that this process' cgroups grant it. */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../include/iocp_system.h"

/* The first line of a file, without its end. */
static bool read_line(const char *root, const char *folder, const char *name, char *line, size_t capacity_bytes)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s%s%s", root, folder, name) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    const bool read = fgets(line, (int)capacity_bytes, file) != NULL;
    fclose(file);
    line[read ? strcspn(line, "\n") : 0] = '\0';
    return read;
}

static void note(long long quota_us, long long period_us, uint32_t *granted)
{
    if (quota_us <= 0 || period_us <= 0)
        return; /* "max", or -1: no limit */
    const long long cpus = (quota_us - 1) / period_us + 1;
    if (*granted == 0 || cpus < *granted)
        *granted = cpus < UINT32_MAX ? (uint32_t)cpus : UINT32_MAX;
}

static void read_version_2(const char *root, const char *folder, uint32_t *granted)
{
    char line[64];
    long long quota_us, period_us;
    if (read_line(root, folder, "/cpu.max", line, sizeof line) && sscanf(line, "%lld %lld", &quota_us, &period_us) == 2)
        note(quota_us, period_us, granted);
}

static void read_version_1(const char *root, const char *folder, uint32_t *granted)
{
    char line[64];
    long long quota_us, period_us;
    if (read_line(root, folder, "/cpu.cfs_quota_us", line, sizeof line) && sscanf(line, "%lld", &quota_us) == 1 &&
        read_line(root, folder, "/cpu.cfs_period_us", line, sizeof line) && sscanf(line, "%lld", &period_us) == 1)
        note(quota_us, period_us, granted);
}

/* A group has no more than those above it. In a container the path may be the host's, and what is mounted the
 * container's own group: then only the last step of the walk finds something. */
static void walk(const char *root, const char *mount, const char *path,
                 void (*read)(const char *root, const char *folder, uint32_t *granted), uint32_t *granted)
{
    char folder[PATH_MAX];
    const size_t mount_bytes = strlen(mount);
    if (snprintf(folder, sizeof folder, "%s%s", mount, path) >= (int)sizeof folder)
        return;
    for (;;) {
        read(root, folder, granted);
        char *last = strrchr(folder, '/');
        if (last == NULL || last < folder + mount_bytes)
            return;
        *last = '\0';
    }
}

static bool lists_cpu(const char *controllers)
{
    for (const char *name = controllers; *name != '\0'; name += *name == ',') {
        const size_t count = strcspn(name, ",");
        if (count == 3 && memcmp(name, "cpu", 3) == 0)
            return true;
        name += count;
    }
    return false;
}

/* hierarchy:controllers:path, as in cgroups(7). */
static void take_group(const char *root, char *line, uint32_t *granted)
{
    char *controllers = strchr(line, ':');
    char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL)
        return;
    *controllers++ = '\0';
    *path++ = '\0';
    if (strcmp(path, "/") == 0)
        path = "";
    if (*controllers == '\0') {
        walk(root, "/sys/fs/cgroup", path, read_version_2, granted);
        walk(root, "/sys/fs/cgroup/unified", path, read_version_2, granted);
    } else if (lists_cpu(controllers)) {
        walk(root, "/sys/fs/cgroup/cpu", path, read_version_1, granted);
        walk(root, "/sys/fs/cgroup/cpu,cpuacct", path, read_version_1, granted);
    }
}

uint32_t iocp_cpus_granted(const char *root)
{
    char path[PATH_MAX];
    char line[PATH_MAX + 128];
    uint32_t granted = 0;
    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path)
        return 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        take_group(root, line, &granted);
    }
    fclose(file);
    return granted;
}
