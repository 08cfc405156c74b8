/*
 * Decompresses a stream once into a file that has no name, so that it can be mapped, lives in the page cache, and is gone with the
 * process. Runs of zeros become holes: dumps have many.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "dump/byte_file_internal.h"

enum {
    BUFFER_SIZE = 1 << 18,
    BLOCK_SIZE = 4096,    /* the unit of holes */
    ROOM_STEP = 64 << 20, /* free room is looked at every so many bytes, and so much is left to others */
    RATIO_MAX = 4096,     /* a stream that grows more is no dump ... */
    MIB = 1 << 20,
};
#define RATIO_FREE (UINT64_C(64) << 30) /* ... once it has made 64 GiB */

struct spool {
    int fd; /* the file without name */
    const char *folder;
    uint64_t size;      /* bytes of content so far */
    uint64_t room_next; /* value of `written` at which free room is checked again */
    uint64_t written;   /* bytes that are no holes */
};

static struct error *spool_open(struct spool *spool)
{
    char path[4096];

    *spool = (struct spool) { .folder = getenv("TMPDIR") };
    if (!spool->folder || !*spool->folder) spool->folder = P_tmpdir;
    spool->fd = open(spool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (spool->fd >= 0) return NULL;
    /* Some file systems (overlayfs before Linux 6.3, NFS) have no O_TMPFILE. */
    if ((size_t)snprintf(path, sizeof(path), "%s/clrtrail.XXXXXX", spool->folder) >= sizeof(path))
        return error_create(ERROR_IO, "cannot create a file in '%s': its name is too long", spool->folder);
    spool->fd = mkostemp(path, O_CLOEXEC);
    if (spool->fd < 0)
        return error_create(ERROR_IO, "cannot create a file in '%s' for the decompressed dump: %s; set TMPDIR", spool->folder,
                            strerror(errno));
    unlink(path);
    return NULL;
}

static struct error *no_room(const struct spool *spool)
{
    return error_create(ERROR_LIMIT,
                        "no room in '%s' for the decompressed dump (needs more than %llu MiB): set TMPDIR to a folder with room",
                        spool->folder, (unsigned long long)(spool->written / MIB));
}

static struct error *check_room(struct spool *spool)
{
    struct statvfs fs;

    if (spool->written < spool->room_next) return NULL;
    spool->room_next = spool->written + ROOM_STEP;
    if (fstatvfs(spool->fd, &fs) || fs.f_blocks == 0) return NULL; /* some say nothing */
    return fs.f_bavail < 2 * (uint64_t)ROOM_STEP / (fs.f_frsize ? fs.f_frsize : 1) ? no_room(spool) : NULL;
}

static struct error *write_at(struct spool *spool, const uint8_t *data, size_t size, uint64_t off)
{
    TRY(check_room(spool));
    spool->written += size;
    while (size > 0) {
        ssize_t written = pwrite(spool->fd, data, size, (off_t)off);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) return no_room(spool);
        if (written < 0) return error_create(ERROR_IO, "cannot write to '%s': %s", spool->folder, strerror(errno));
        data += written;
        size -= (size_t)written;
        off += (uint64_t)written;
    }
    return NULL;
}

static bool is_zero_block(const uint8_t *data, size_t size)
{
    return data[0] == 0 && !memcmp(data, data + 1, size - 1);
}

/* Size of the run of blocks from `off` on that are all zero, or all not. */
static size_t run_size(const uint8_t *data, size_t size, bool *is_zero_ret)
{
    size_t run = 0;

    while (run < size) {
        size_t block = size - run < BLOCK_SIZE ? size - run : BLOCK_SIZE;
        bool is_zero = is_zero_block(data + run, block);
        if (run && is_zero != *is_zero_ret) break;
        *is_zero_ret = is_zero;
        run += block;
    }
    return run;
}

static struct error *spool_write(struct spool *spool, const uint8_t *data, size_t size)
{
    while (size > 0) {
        bool is_zero = false;
        size_t run = run_size(data, size, &is_zero);
        if (!is_zero) TRY(write_at(spool, data, run, spool->size));
        spool->size += run;
        data += run;
        size -= run;
    }
    return NULL;
}

struct source {
    int fd;
    struct span in; /* read, not yet decoded */
    bool ended;
    int error;     /* errno of a failed read, which ends it */
    uint64_t size; /* bytes read */
    uint8_t buffer[BUFFER_SIZE];
};

/* Reads until the buffer is full or the file ends: a pipe may give a few bytes only. */
static void source_fill(struct source *source, struct progress *progress)
{
    size_t used = 0;

    while (used < BUFFER_SIZE && !source->ended) {
        ssize_t got = read(source->fd, source->buffer + used, BUFFER_SIZE - used);
        if (got < 0 && errno == EINTR && !progress_is_cancelled(progress)) continue;
        if (got < 0) source->error = errno;
        source->ended = got <= 0;
        if (got > 0) used += (size_t)got;
    }
    source->in = (struct span) { source->buffer, used };
    source->size += used;
    progress_add(progress, used);
}

struct job {
    struct byte_file *file;
    struct gaps *gaps;
    struct progress *progress;
    struct spool spool;
    const struct decoder *decoder;
    void *decoder_state;
    enum decode_status status;
    const char *why;
    bool has_trailing; /* bytes follow that belong to no frame */
    struct decode_output out;
    uint8_t out_buffer[BUFFER_SIZE];
    struct source source;
};

/* After a frame: zeros are padding; anything but a further frame is not ours. */
static bool job_is_done(struct job *job)
{
    struct span *in = &job->source.in;

    if (job->status != DECODE_ENDED) return false;
    if (!decoder_is_plain(job->decoder)) {
        while (in->size && !in->data[0])
            *in = span_from(*in, 1);
    }
    job->has_trailing = in->size && !job->decoder->may_start(in->data[0]);
    return job->has_trailing;
}

static struct error *job_flush(struct job *job)
{
    struct error *err = spool_write(&job->spool, job->out.data, job->out.used);

    job->out.used = 0;
    if (err) return err;
    if (job->spool.size > RATIO_FREE && job->spool.size / RATIO_MAX > job->source.size)
        return error_create(ERROR_LIMIT, "it grows more than %d times when decompressed: not a dump", RATIO_MAX);
    return NULL;
}

/*
 * Decodes until input and output of the decoder have ended. A decoder that neither takes nor gives while it has both input and
 * room would loop for ever: that is damage.
 */
static struct error *job_decode(struct job *job)
{
    job->status = DECODE_ENDED;
    for (;;) {
        struct span *in = &job->source.in, before;
        size_t used;

        if (progress_is_cancelled(job->progress)) return error_create(ERROR_CANCELLED, "cancelled");
        if (!in->size && !job->source.ended) source_fill(&job->source, job->progress);
        if (job_is_done(job) || (!in->size && job->status == DECODE_ENDED && job->source.ended)) break;
        if (!in->size && job->status == DECODE_ENDED) continue;
        before = *in;
        used = job->out.used;
        job->status = job->decoder->decode(job->decoder_state, in, &job->out, &job->why);
        if (job->status == DECODE_DAMAGED) break;
        if (in->size == before.size && job->out.used == used && job->out.used < job->out.size) {
            if (job->source.ended && !in->size) break;
            if (in->size) {
                job->status = DECODE_DAMAGED;
                job->why = "the decoder makes no progress";
                break;
            }
        }
        if (job->out.used == job->out.size) TRY(job_flush(job));
    }
    return job_flush(job);
}

/* What is missing at the end becomes a gap, or an error when there is nothing at all. */
static struct error *job_judge(struct job *job)
{
    const char *container = job->decoder->container;
    unsigned long long made = job->spool.size, at = job->source.size - job->source.in.size;

    if (job->source.error && !made) return error_create(ERROR_IO, "%s", strerror(job->source.error));
    if (job->source.error) {
        job->file->truncated = true;
        gaps_add(job->gaps, "dump file", 0, 1, "reading stopped after %llu bytes: %s", at, strerror(job->source.error));
    } else if (job->status == DECODE_DAMAGED) {
        if (!made) return error_create(ERROR_BAD_DATA, "damaged %s data: %s", container, job->why);
        job->file->truncated = true;
        gaps_add(job->gaps, "dump file", 0, 1, "its %s data is damaged near byte %llu (%s): it gave %llu bytes", container, at,
                 job->why, made);
    } else if (job->status == DECODE_MORE) {
        if (!made) return error_create(ERROR_BAD_DATA, "cut off %s data: nothing could be decompressed", container);
        job->file->truncated = true;
        gaps_add(job->gaps, "dump file", 0, 1, "its %s data is cut off after %llu bytes: it gave %llu bytes", container, at, made);
    }
    if (job->has_trailing)
        gaps_add(job->gaps, "dump file", 0, 1, "what follows the %s data from byte %llu on is ignored", container, at);
    return NULL;
}

static struct error *job_run(struct job *job, int fd)
{
    job->source.fd = fd;
    job->out = (struct decode_output) { job->out_buffer, BUFFER_SIZE, 0 };
    TRY(spool_open(&job->spool));
    source_fill(&job->source, job->progress);
    job->decoder = decoder_for(job->source.in);
    job->decoder_state = job->decoder->create();
    if (!job->decoder_state) return &error_enomem;
    TRY(job_decode(job));
    TRY(job_judge(job));
    if (ftruncate(job->spool.fd, (off_t)job->spool.size)) return no_room(&job->spool);
    job->file->container = job->decoder->container;
    job->file->stored_size = job->source.size;
    return byte_file_map(job->file, job->spool.fd, job->spool.size);
}

struct error *byte_file_spool(struct byte_file *file, int fd, struct gaps *gaps, struct progress *progress)
{
    struct job *job = calloc(1, sizeof(*job));
    struct error *err;

    if (!job) return &error_enomem;
    job->file = file;
    job->gaps = gaps;
    job->progress = progress;
    job->spool.fd = -1;
    progress_start(progress, "decompressing", file->stored_size);
    err = job_run(job, fd);
    progress_end(progress);
    if (job->decoder_state) job->decoder->destroy(job->decoder_state);
    if (job->spool.fd >= 0) close(job->spool.fd);
    free(job);
    return error_prefix(err, "cannot read '%s'", file->path);
}
