#include "dump/byte_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void unmap(struct byte_file *file)
{
    if (file->bytes.size) munmap((void *)file->bytes.data, file->bytes.size);
}

struct error *byte_file_from_memory(struct span bytes, struct byte_file **ret)
{
    struct byte_file *file = calloc(1, sizeof(*file));

    if (!file) return &error_enomem;
    file->path = strdup("memory");
    file->container = "plain";
    file->bytes = bytes;
    file->stored_size = bytes.size;
    if (!file->path) {
        byte_file_close(file);
        return &error_enomem;
    }
    *ret = file;
    return NULL;
}

static struct error *map_plain(struct byte_file *file, int fd)
{
    void *map;

    if (file->stored_size == 0) return NULL;
    map = mmap(NULL, file->stored_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return error_create(ERROR_IO, "cannot map '%s': %s", file->path, strerror(errno));
    file->bytes = (struct span) { map, file->stored_size };
    file->container = "plain";
    file->close = unmap;
    return NULL;
}

static struct error *open_regular(const char *path, int *fd_ret, uint64_t *size_ret)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0) return error_create(ERROR_IO, "cannot open '%s': %s", path, strerror(errno));
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        *fd_ret = fd;
        *size_ret = (uint64_t)status.st_size;
        return NULL;
    }
    close(fd);
    if (S_ISDIR(status.st_mode)) return error_create(ERROR_IO, "cannot open '%s': it is a directory", path);
    return error_create(ERROR_IO, "cannot open '%s': not a regular file; pipe it into '-'", path);
}

struct error *byte_file_open(const char *path, struct gaps *gaps, struct progress *progress, struct byte_file **ret)
{
    struct byte_file *file = calloc(1, sizeof(*file));
    struct error *err;
    int fd = -1;

    (void)gaps, (void)progress;
    if (!file) return &error_enomem;
    file->path = strdup(path);
    err = file->path ? open_regular(path, &fd, &file->stored_size) : &error_enomem;
    if (!err) err = map_plain(file, fd);
    if (fd >= 0) close(fd);
    if (err) {
        byte_file_close(file);
        return err;
    }
    *ret = file;
    return NULL;
}

void byte_file_close(struct byte_file *file)
{
    if (!file) return;
    if (file->close) file->close(file);
    free(file->path);
    free(file);
}
