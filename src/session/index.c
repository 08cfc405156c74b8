#include "session/index.h"

#include <string.h>
#include <sys/stat.h>

#include "base/map.h"
#include "base/text.h"
#include "clr/gc_heap.h"
#include "dump/dump.h"
#include "session/session.h"

/* Below this a walk takes less than a tenth of a second. */
#define HEAP_BYTES_MIN (UINT64_C(128) << 20)
enum { SAMPLES = 64, SAMPLE_SIZE = 4096 };

static void hash_bytes(uint64_t *hash, const void *data, size_t size)
{
    const struct siphash_key key = { *hash, size };

    *hash = siphash(&key, data, size);
}

static void hash_text(uint64_t *hash, const char *text)
{
    hash_bytes(hash, text ? text : "", text ? strlen(text) + 1 : 0);
}

/* Of the dump as it is read, so that a packed one is known by its content, too. */
static void hash_samples(uint64_t *hash, const struct dump *dump)
{
    const struct span bytes = dump->file->bytes;

    for (unsigned i = 0; i < SAMPLES && bytes.size; i++) {
        uint64_t at = bytes.size / SAMPLES * i;

        hash_bytes(hash, bytes.data + at, bytes.size - at < SAMPLE_SIZE ? (size_t)(bytes.size - at) : SAMPLE_SIZE);
    }
}

/* The file as the system knows it: the time of its last change cannot be set by whoever changes it. */
static bool hash_file(uint64_t *hash, const char *path)
{
    struct stat file;

    if (stat(path, &file) || !S_ISREG(file.st_mode)) return false;
    hash_bytes(hash,
               &(uint64_t[]) { (uint64_t)file.st_dev, (uint64_t)file.st_ino, (uint64_t)file.st_size, (uint64_t)file.st_mtim.tv_sec,
                               (uint64_t)file.st_mtim.tv_nsec, (uint64_t)file.st_ctim.tv_sec, (uint64_t)file.st_ctim.tv_nsec },
               7 * sizeof(uint64_t));
    return true;
}

/* Everything that decides what is read of the dump. */
static bool find_identity(const struct session_options *options, const struct dump *dump, uint64_t *ret)
{
    uint64_t hash = 0;

    if (!dump->file || !hash_file(&hash, options->path)) return false;
    hash_samples(&hash, dump);
    hash_text(&hash, CLRTRAIL_VERSION);
    hash_text(&hash, options->sysroot);
    for (size_t i = 0; i < options->image_dir_count; i++)
        hash_text(&hash, options->image_dirs[i]);
    hash_bytes(&hash, &options->runtime, sizeof(options->runtime));
    hash_bytes(&hash, &options->any_runtime, sizeof(options->any_runtime));
    *ret = hash;
    return true;
}

static uint64_t heap_bytes(const struct gc_heaps *heaps)
{
    uint64_t ret = 0;

    for (size_t i = 0; i < heaps->segments.count; i++)
        ret += heaps->segments.data[i].end - heaps->segments.data[i].start;
    return ret;
}

bool index_open(const struct session_options *options, const struct dump *dump, const struct gc_heaps *heaps, unsigned threads,
                struct gaps *gaps, struct store *ret)
{
    bool is_named = options->index && *options->index;
    uint64_t identity;

    if (!options->index || !find_identity(options, dump, &identity)) return false;
    if (!is_named && heap_bytes(heaps) < HEAP_BYTES_MIN) return false;
    if (store_open(is_named ? options->index : NULL, identity, threads, ret)) return true;
    if (is_named)
        gaps_add(gaps, "index", 0, 1, "no index is kept: '%s' and your cache folder must be yours, and nobody else may write there",
                 options->index);
    return false;
}
