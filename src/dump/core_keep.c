#include "dump/core_keep.h"

#include <string.h>
#include <strings.h>

enum { PAGE = 4096, DATA_MAX = 1 << 20, AT_ENTRY_TYPE = 9 /* linux auxvec.h */ };

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    static const char deleted[] = " (deleted)";

    if (length >= sizeof(deleted) && !strcmp(text + length - (sizeof(deleted) - 1), deleted)) length -= sizeof(deleted) - 1;
    return length >= end_length && !strncasecmp(text + length - end_length, end, end_length);
}

/* Where the program file begins to run, 0 when unknown. */
static uint64_t entry_point(const struct dump *dump)
{
    for (size_t i = 0; i + 16 <= dump->auxv.size; i += 16)
        if (load_u64(dump->auxv.data + i) == AT_ENTRY_TYPE) return load_u64(dump->auxv.data + i + 8);
    return 0;
}

struct keeper {
    const struct dump *dump;
    const char *program; /* path of the program file, NULL when unknown */
};

static bool thread_stands_in(const struct dump *dump, uint64_t start, uint64_t end)
{
    for (size_t i = 0; i < dump->threads.count; i++)
        if (dump->threads.data[i].ip >= start && dump->threads.data[i].ip < end) return true;
    return false;
}

static bool is_needed_file(const struct keeper *keeper, const char *path)
{
    if (!strncmp(path, "/memfd:", 7) || !strncmp(path, "/dev/zero", 9) || !strncmp(path, "/SYSV", 5)) return true;
    if (ends_with(path, ".dll") || ends_with(path, ".exe") || ends_with(path, "/libcoreclr.so")) return true;
    return keeper->program && !strcmp(path, keeper->program);
}

/* How much of [start, end), which is `map`'s, is needed. */
static uint64_t needed_size(const struct keeper *keeper, const struct dump_file_map *map, uint64_t start, uint64_t end,
                            uint8_t protection)
{
    bool is_image = ends_with(map->path, ".so") || strstr(map->path, ".so.");
    uint64_t size = end - start, most = PAGE;

    if (is_needed_file(keeper, map->path) || (is_image && protection & PROTECTION_WRITE)) return size;
    if (is_image && !(protection & PROTECTION_EXEC)) most = DATA_MAX;
    if (is_image && protection & PROTECTION_EXEC && thread_stands_in(keeper->dump, start, end)) most = size;
    return size < most ? size : most;
}

/* What is kept whole stays in one piece: a range is cut only where something is left out. */
static bool extend_last(struct core_pieces *pieces, const struct dump_range *range, const struct core_piece *piece)
{
    struct core_piece *last = pieces->list.count ? &pieces->list.data[pieces->list.count - 1] : NULL;

    if (!last || last->start < range->start || last->end != piece->start || last->keep_size != last->end - last->start)
        return false;
    last->end = piece->end;
    last->keep_size += piece->keep_size;
    return true;
}

static struct error *add_piece(struct core_pieces *pieces, const struct dump_range *range, uint64_t start, uint64_t end,
                               uint64_t needed)
{
    uint64_t skipped = start - range->start;
    uint64_t present = range->file_size > skipped ? range->file_size - skipped : 0;
    struct core_piece piece = { start, end, range->file_off + skipped, 0, range->protection };

    if (present > end - start) present = end - start;
    piece.keep_size = present < needed ? present : needed;
    pieces->kept_size += piece.keep_size;
    pieces->left_out_size += present - piece.keep_size;
    if (extend_last(pieces, range, &piece)) return NULL;
    return vec_push(&pieces->list, piece) ? NULL : &error_enomem;
}

/* Cuts the range where files begin and end. `*next` is the first file map that may lie in it. */
static struct error *add_range(struct core_pieces *pieces, const struct keeper *keeper, const struct dump_range *range,
                               size_t *next)
{
    const struct dump *dump = keeper->dump;

    for (uint64_t at = range->start, end; at < range->end; at = end) {
        const struct dump_file_map *map = NULL;
        end = range->end;
        while (*next < dump->file_maps.count && dump->file_maps.data[*next].end <= at)
            ++*next;
        if (*next < dump->file_maps.count) map = &dump->file_maps.data[*next];
        if (map && map->start > at) {
            if (map->start < end) end = map->start;
            map = NULL;
        }
        if (map && map->end < end) end = map->end;
        TRY(add_piece(pieces, range, at, end, map ? needed_size(keeper, map, at, end, range->protection) : end - at));
    }
    return NULL;
}

struct error *core_pieces_init(struct core_pieces *pieces, const struct dump *dump, bool everything)
{
    const struct dump_file_map *program = dump_file_map_at(dump, entry_point(dump));
    struct keeper keeper = { dump, program ? program->path : NULL };
    struct error *err = NULL;
    size_t next = 0;

    *pieces = (struct core_pieces) { 0 };
    for (size_t i = 0; !err && i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];
        if (everything)
            err = add_piece(pieces, range, range->start, range->end, UINT64_MAX);
        else
            err = add_range(pieces, &keeper, range, &next);
    }
    if (err) core_pieces_deinit(pieces);
    return err;
}

void core_pieces_deinit(struct core_pieces *pieces)
{
    vec_deinit(&pieces->list);
}
