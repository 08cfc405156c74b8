#include "dump/core_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/zstd_seekable.h"

enum { ZEROS = 64 << 10 };

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && !strcmp(text + length - end_length, end);
}

static struct error *write_error(const struct core_output *output)
{
    return error_create(ERROR_IO, "cannot write '%s': %s", output->path, strerror(errno));
}

static struct error *open_standard(struct core_output *output)
{
    if (isatty(STDOUT_FILENO)) return error_create(ERROR_USAGE, "a dump is not for a terminal: send it into a file or a pipe");
    output->fd = STDOUT_FILENO;
    return NULL;
}

/* output->partial is set only when the file is ours. */
static struct error *open_file(struct core_output *output)
{
    struct error *err = NULL;
    struct stat status;
    char *partial;

    if (lstat(output->path, &status) == 0) return error_create(ERROR_IO, "'%s' exists; it is not overwritten", output->path);
    if (asprintf(&partial, "%s.partial", output->path) < 0) return &error_enomem;
    output->fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
    if (output->fd >= 0) {
        output->partial = partial;
        return NULL;
    }
    if (errno == EEXIST)
        err = error_create(ERROR_IO, "'%s' exists: another dump is being written, or was left behind", partial);
    else
        err = error_create(ERROR_IO, "cannot create '%s': %s", partial, strerror(errno));
    free(partial);
    return err;
}

struct error *core_output_open(struct core_output *output, const char *path, int level)
{
    bool is_standard = !strcmp(path, "-");
    struct error *err;

    *output = (struct core_output) { .path = path, .fd = -1 };
    err = is_standard ? open_standard(output) : open_file(output);
    if (!err && (is_standard || ends_with(path, ".zst"))) err = zstd_seekable_writer_create(output->fd, level, &output->zstd);
    if (err) core_output_close(output);
    return err;
}

struct error *core_output_append(struct core_output *output, const void *data, size_t size)
{
    const char *from = data;

    output->size += size;
    if (output->zstd) return error_prefix(zstd_seekable_writer_append(output->zstd, data, size), "'%s'", output->path);
    while (size > 0) {
        ssize_t written = write(output->fd, from, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return write_error(output);
        from += written;
        size -= (size_t)written;
    }
    return NULL;
}

struct error *core_output_zeros(struct core_output *output, uint64_t size)
{
    static const uint8_t zeros[ZEROS];

    if (!output->zstd) {
        output->size += size;
        return lseek(output->fd, (off_t)size, SEEK_CUR) < 0 ? write_error(output) : NULL;
    }
    for (; size > 0; size -= size < ZEROS ? size : ZEROS)
        TRY(core_output_append(output, zeros, size < ZEROS ? (size_t)size : ZEROS));
    return NULL;
}

/* A last page of zeros is a hole as well: the file has to be made as long as it is. */
static struct error *set_size(struct core_output *output)
{
    return ftruncate(output->fd, (off_t)output->size) != 0 ? write_error(output) : NULL;
}

struct error *core_output_finish(struct core_output *output)
{
    struct stat status;

    if (output->zstd) TRY(error_prefix(zstd_seekable_writer_finish(output->zstd), "'%s'", output->path));
    if (!output->partial) return NULL;
    if (!output->zstd) TRY(set_size(output));
    if (fstat(output->fd, &status) == 0) output->stored_size = (uint64_t)status.st_size;
    if (close(output->fd) != 0) {
        output->fd = -1;
        return write_error(output);
    }
    output->fd = -1;
    if (renameat2(AT_FDCWD, output->partial, AT_FDCWD, output->path, RENAME_NOREPLACE) != 0) {
        /* A file system that cannot say so (errno EINVAL) gets a second name for it, and loses the first. */
        if (errno != EINVAL || link(output->partial, output->path) != 0) return write_error(output);
        unlink(output->partial);
    }
    free(output->partial);
    output->partial = NULL;
    return NULL;
}

void core_output_close(struct core_output *output)
{
    zstd_seekable_writer_destroy(output->zstd);
    output->zstd = NULL;
    if (output->fd >= 0 && output->fd != STDOUT_FILENO) close(output->fd);
    output->fd = -1;
    if (output->partial) unlink(output->partial);
    free(output->partial);
    output->partial = NULL;
}
