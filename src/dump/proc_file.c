#include "dump/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int proc_open(pid_t pid)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool proc_read(int dir, const char *name, size_t limit, struct text *ret)
{
    char buffer[16 << 10];
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got = 0;

    if (fd < 0) return false;
    while (limit > 0 && !ret->failed) {
        got = read(fd, buffer, limit < sizeof(buffer) ? limit : sizeof(buffer));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text_append(ret, buffer, (size_t)got);
        limit -= (size_t)got;
    }
    close(fd);
    if (ret->failed) errno = ENOMEM;
    return got >= 0 && !ret->failed;
}

bool proc_status_number(const struct text *status, const char *key, uint64_t *ret)
{
    const char *line = text_cstr(status);
    size_t length = strlen(key);
    bool found = false;

    while (*line && (strncmp(line, key, length) != 0 || line[length] != ':')) {
        line = strchr(line, '\n');
        if (!line) return false;
        line++;
    }
    if (!*line) return false;
    line += length + 1;
    while (*line && *line != '\n') {
        char *end;
        unsigned long long value = strtoull(line, &end, 10);
        if (end == line) break;
        *ret = value;
        found = true;
        line = end + strspn(end, " \t");
    }
    return found;
}

bool proc_parse_pid(const char *word, pid_t *ret)
{
    char *end;
    long value;

    if (*word < '0' || *word > '9') return false;
    errno = 0;
    value = strtol(word, &end, 10);
    if (*end || errno || value <= 0 || value > INT_MAX) return false;
    *ret = (pid_t)value;
    return true;
}
