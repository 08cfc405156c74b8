/*
 * Any bytes as a compressed file, opened as the program opens one. Small inputs only: four bytes of zstd can become 128 KiB.
 * A seekable file's frames are decompressed at its beginning and end.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dump/byte_file.h"

enum { INPUT_MAX = 4096, LOOKED_AT = 1 << 20 };

static volatile uint64_t sink;

static void look_at(struct byte_file *file, uint64_t off, uint64_t size)
{
    byte_file_ensure(file, off, size);
    for (uint64_t i = off; i < off + size; i++)
        sink += file->bytes.data[i];
}

static void look_at_ends(struct byte_file *file)
{
    uint64_t size = file->bytes.size < LOOKED_AT ? file->bytes.size : LOOKED_AT;

    look_at(file, 0, size);
    look_at(file, file->bytes.size - size, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct byte_file *file;
    struct gaps gaps;
    struct error *err;
    char path[64];
    int fd;

    if (size > INPUT_MAX) return 0;
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) return 0;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    gaps_init(&gaps);
    if (write(fd, data, size) == (ssize_t)size) {
        err = byte_file_open(path, &gaps, NULL, &file);
        if (!err) {
            look_at_ends(file);
            byte_file_close(file);
        }
        error_destroy(err);
    }
    gaps_deinit(&gaps);
    close(fd);
    return 0;
}
