/*
 * A seekable zstd file: room for all of its content is reserved, and a frame is decompressed into it when one of its bytes is
 * first asked for. So a look at a dump costs what it looks at.
 *
 *     bytes        | frame 0 | frame 1 | frame 2 | ...      anonymous memory, zero until filled
 *     frame_state    done      none      done
 *     workers        frame % WORKERS: a lock, and a decoder that is made when first needed
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "dump/byte_file_internal.h"
#include "dump/sigbus.h"
#include "dump/zstd_seekable.h"

enum { WORKERS = 16 };
enum frame_state { FRAME_NONE, FRAME_DONE, FRAME_FAILED };

struct worker {
    pthread_mutex_t lock;
    ZSTD_DCtx *zstd;
};

struct seekable {
    struct zstd_seek_table table;
    struct span stored; /* the file, mapped */
    uint8_t *content;
    atomic_uchar *frame_state; /* enum frame_state */
    uint64_t frame_size;       /* of all frames but the last when they are equal, else 0 */
    struct gaps *gaps;
    struct worker workers[WORKERS];
};

/* The frame that holds content byte `off`; of several empty ones the last. */
static uint64_t frame_at(const struct seekable *state, uint64_t off)
{
    uint64_t low = 0, high = state->table.count;

    if (state->frame_size) return off / state->frame_size;
    while (low + 1 < high) {
        uint64_t middle = low + (high - low) / 2;
        if (state->table.offs[middle] <= off)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool frame_decode(struct seekable *state, struct worker *worker, uint64_t i, const char **why)
{
    uint64_t stored_off = state->table.stored_offs[i], off = state->table.offs[i];
    size_t stored_size = (size_t)(state->table.stored_offs[i + 1] - stored_off);
    size_t size = (size_t)(state->table.offs[i + 1] - off), result;

    *why = "out of memory";
    if (!worker->zstd) worker->zstd = ZSTD_createDCtx();
    if (!worker->zstd) return false;
    result = ZSTD_decompressDCtx(worker->zstd, state->content + off, size, state->stored.data + stored_off, stored_size);
    *why = ZSTD_isError(result) ? ZSTD_getErrorName(result) : "its size is not that of the seek table";
    return !ZSTD_isError(result) && result == size;
}

static bool frame_ensure(struct seekable *state, uint64_t i)
{
    struct worker *worker = &state->workers[i % WORKERS];
    const char *why = NULL;
    unsigned char now;

    pthread_mutex_lock(&worker->lock);
    now = atomic_load_explicit(&state->frame_state[i], memory_order_relaxed);
    if (now == FRAME_NONE) {
        now = frame_decode(state, worker, i, &why) ? FRAME_DONE : FRAME_FAILED;
        atomic_store_explicit(&state->frame_state[i], now, memory_order_release);
        if (now == FRAME_FAILED) gaps_add(state->gaps, "compressed frame of the dump file", 0, 1, "damaged zstd data: %s", why);
    }
    pthread_mutex_unlock(&worker->lock);
    return now == FRAME_DONE;
}

static bool seekable_ensure(struct byte_file *file, uint64_t off, uint64_t size)
{
    struct seekable *state = file->state;
    bool all = true;

    if (!span_holds(file->bytes, off, size)) return false;
    if (size == 0) return true;
    for (uint64_t i = frame_at(state, off); i < state->table.count && state->table.offs[i] < off + size; i++) {
        if (atomic_load_explicit(&state->frame_state[i], memory_order_acquire) == FRAME_DONE) continue;
        if (!frame_ensure(state, i)) all = false;
    }
    return all;
}

static void seekable_release(struct byte_file *file, uint64_t off, uint64_t size)
{
    struct seekable *state = file->state;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uint64_t end = off + size, i;

    if (size == 0 || !span_holds(file->bytes, off, size)) return;
    for (i = frame_at(state, off); i < state->table.count && state->table.offs[i + 1] <= end; i++) {
        uintptr_t from = (uintptr_t)state->content + state->table.offs[i],
                  to = (uintptr_t)state->content + state->table.offs[i + 1];
        /* Frames that share a page with others stay. */
        if (state->table.offs[i] < off || from % page || to % page) continue;
        if (atomic_load(&state->frame_state[i]) != FRAME_DONE) continue;
        madvise((void *)from, to - from, MADV_DONTNEED);
        atomic_store_explicit(&state->frame_state[i], FRAME_NONE, memory_order_release);
    }
}

static void seekable_destroy(struct seekable *state, uint64_t size)
{
    if (!state) return;
    for (size_t i = 0; i < WORKERS; i++) {
        ZSTD_freeDCtx(state->workers[i].zstd);
        pthread_mutex_destroy(&state->workers[i].lock);
    }
    if (state->stored.size) {
        sigbus_unregister(state->stored.data);
        munmap((void *)state->stored.data, state->stored.size);
    }
    if (state->content) munmap(state->content, size);
    zstd_seek_table_deinit(&state->table);
    free(state->frame_state);
    free(state);
}

static void seekable_close(struct byte_file *file)
{
    seekable_destroy(file->state, file->bytes.size);
}

static uint64_t equal_frame_size(const struct zstd_seek_table *table)
{
    uint64_t size = table->offs[1];

    for (uint64_t i = 0; i + 1 < table->count; i++) {
        if (table->offs[i + 1] - table->offs[i] != size) return 0;
    }
    return table->offs[table->count] - table->offs[table->count - 1] <= size ? size : 0;
}

static struct error *map_stored(struct seekable *state, struct byte_file *file, int fd)
{
    void *map = mmap(NULL, file->stored_size, PROT_READ, MAP_PRIVATE, fd, 0);

    if (map == MAP_FAILED) return error_create(ERROR_IO, "cannot map '%s': %s", file->path, strerror(errno));
    state->stored = (struct span) { map, file->stored_size };
    sigbus_register(map, file->stored_size, &file->lost_pages);
    return zstd_seek_table_init(&state->table, state->stored);
}

static struct error *reserve_content(struct seekable *state, uint64_t *size_ret)
{
    uint64_t size = state->table.offs[state->table.count];
    void *map;

    if (size == 0) return error_create(ERROR_BAD_DATA, "seek table without content");
    map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return error_create(ERROR_LIMIT, "cannot reserve %llu bytes: %s", (unsigned long long)size, strerror(errno));
    state->content = map;
    state->frame_size = equal_frame_size(&state->table);
    state->frame_state = calloc(state->table.count, sizeof(*state->frame_state));
    *size_ret = size;
    return state->frame_state ? NULL : &error_enomem;
}

struct error *byte_file_open_seekable(struct byte_file *file, int fd, struct gaps *gaps)
{
    struct seekable *state = calloc(1, sizeof(*state));
    struct error *err;
    uint64_t size = 0;

    if (!state) return &error_enomem;
    state->gaps = gaps;
    for (size_t i = 0; i < WORKERS; i++)
        pthread_mutex_init(&state->workers[i].lock, NULL);
    err = map_stored(state, file, fd);
    if (!err) err = reserve_content(state, &size);
    if (err) {
        seekable_destroy(state, size);
        return err;
    }
    file->container = "zstd-seekable";
    file->bytes = (struct span) { state->content, size };
    file->state = state;
    file->ensure = seekable_ensure;
    file->release = seekable_release;
    file->close = seekable_close;
    return NULL;
}
