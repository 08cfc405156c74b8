#include "dump/byte_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/byte_file_internal.h"
#include "dump/sigbus.h"
#include "dump/zstd_seekable.h"

enum { HEAD_SIZE = 16, FOOTER_SIZE = 17 /* what zstd_seek_table_probe looks at */ };

static void unmap(struct byte_file *file)
{
    sigbus_unregister(file->bytes.data);
    munmap((void *)file->bytes.data, file->bytes.size);
}

/* They stay in the page cache as long as the system likes. */
static void release_mapped(struct byte_file *file, uint64_t off, uint64_t size)
{
    byte_file_forget_zeros(file, off, size);
}

struct error *byte_file_map(struct byte_file *file, int fd, uint64_t size)
{
    void *map;

    if (size == 0) return NULL;
    map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return error_create(ERROR_IO, "cannot map '%s': %s", file->path, strerror(errno));
    file->bytes = (struct span) { map, size };
    file->close = unmap;
    file->release = release_mapped;
    sigbus_register(map, size, &file->lost_pages);
    return NULL;
}

void byte_file_forget_zeros(struct byte_file *file, uint64_t off, uint64_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)file->bytes.data + off + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)file->bytes.data + off + size) & ~(page - 1);

    /* A file without `close` is borrowed memory, of which nothing is known. */
    if (file->close && start < end) madvise((void *)start, end - start, MADV_DONTNEED);
}

static struct span read_at(int fd, void *buffer, size_t size, uint64_t off)
{
    ssize_t got = pread(fd, buffer, size, (off_t)off);

    return (struct span) { buffer, got > 0 ? (size_t)got : 0 };
}

static bool ends_with_seek_table(int fd, uint64_t size)
{
    uint8_t footer[FOOTER_SIZE];

    return size >= FOOTER_SIZE && zstd_seek_table_probe(read_at(fd, footer, sizeof(footer), size - FOOTER_SIZE));
}

/* A damaged seek table costs the laziness, not the dump. */
static struct error *open_compressed(struct byte_file *file, int fd, struct gaps *gaps, struct progress *progress)
{
    if (ends_with_seek_table(fd, file->stored_size)) {
        struct error *err = byte_file_open_seekable(file, fd, gaps);
        if (!err || err->code == ERROR_NOMEM) return err;
        gaps_add_error(gaps, "seek table of the dump file", err);
    }
    return byte_file_spool(file, fd, gaps, progress);
}

static struct error *open_regular(struct byte_file *file, int fd, uint64_t size, struct gaps *gaps, struct progress *progress)
{
    uint8_t head[HEAD_SIZE];

    file->stored_size = size;
    if (!decoder_is_plain(decoder_for(read_at(fd, head, sizeof(head), 0)))) return open_compressed(file, fd, gaps, progress);
    file->container = "plain";
    return byte_file_map(file, fd, size);
}

static struct error *open_fd(struct byte_file *file, int fd, struct gaps *gaps, struct progress *progress)
{
    struct stat status;

    if (fstat(fd, &status)) return error_create(ERROR_IO, "cannot open '%s': %s", file->path, strerror(errno));
    if (S_ISREG(status.st_mode) && lseek(fd, 0, SEEK_CUR) == 0)
        return open_regular(file, fd, (uint64_t)status.st_size, gaps, progress);
    if (S_ISDIR(status.st_mode)) return error_create(ERROR_IO, "cannot open '%s': it is a directory", file->path);
    if (isatty(fd)) return error_create(ERROR_USAGE, "cannot read a dump from a terminal");
    return byte_file_spool(file, fd, gaps, progress);
}

static struct error *open_path(struct byte_file *file, struct gaps *gaps, struct progress *progress)
{
    struct error *err;
    int fd;

    if (!strcmp(file->path, "-")) return open_fd(file, STDIN_FILENO, gaps, progress);
    fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return error_create(ERROR_IO, "cannot open '%s': %s", file->path, strerror(errno));
    err = open_fd(file, fd, gaps, progress);
    close(fd);
    return err;
}

struct error *byte_file_create(const char *path, struct byte_file **ret)
{
    struct byte_file *file = calloc(1, sizeof(*file));

    if (!file) return &error_enomem;
    file->path = strdup(path);
    if (!file->path) {
        free(file);
        return &error_enomem;
    }
    *ret = file;
    return NULL;
}

struct error *byte_file_from_memory(struct span bytes, struct byte_file **ret)
{
    TRY(byte_file_create("memory", ret));
    (*ret)->container = "plain";
    (*ret)->bytes = bytes;
    (*ret)->stored_size = bytes.size;
    return NULL;
}

struct error *byte_file_open(const char *path, struct gaps *gaps, struct progress *progress, struct byte_file **ret)
{
    struct byte_file *file;
    struct error *err;

    TRY(byte_file_create(path, &file));
    err = open_path(file, gaps, progress);
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
