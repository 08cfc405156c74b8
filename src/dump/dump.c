/*
 * Opens a dump of any format, and answers which range or file lies at an address.
 */
#include "dump/dump.h"

#include <stdlib.h>
#include <string.h>

#include "dump/live_linux.h"
#include "formats/elf.h"

static const struct dump_format *const dump_formats[] = {
    &dump_format_elf_core,
    &dump_format_minidump,
};

/* What people hand to a tool like this instead of a dump, by its first bytes, and what helps. */
static const struct {
    const char *magic;
    size_t size;
    const char *what;
} other_files[] = {

    { "Nettrace", 8, "a gcdump or event trace (nettrace): it has types and sizes, but no memory" },
    { "MZ", 2, "a Windows executable or library" },
    { "MDMP", 4, "a damaged minidump" },
    { "PAGEDU", 6, "a dump of the Windows kernel" },
    { "SQLite format 3", 15, "an SQLite database" },
    { "PK\003\004", 4, "a zip archive: unpack it first" },
    { "\xcf\xfa\xed\xfe", 4, "a Mach-O file (macOS dumps are not supported)" },
    { "!<arch>", 7, "a library archive" },
    { "BZh", 3, "bzip2-compressed: unpack it first" },
    { "7z\xbc\xaf\x27\x1c", 6, "a 7-Zip archive: unpack it first" },
    { "JAVA PROFILE", 12, "a heap dump of Java" },
};

/* dotnet-gcdump writes FastSerialization: a length, then this text (perfview FastSerialization.cs). */
static const char gcdump_text[] = "!FastSerialization.1";

enum { TAR_MAGIC_OFF = 257, TEXT_PROBE = 512 };

static bool has_at(struct span bytes, uint64_t off, const char *text, size_t size)
{
    return span_holds(bytes, off, size) && !memcmp(bytes.data + off, text, size);
}

static bool is_text(struct span bytes)
{
    size_t size = bytes.size < TEXT_PROBE ? bytes.size : TEXT_PROBE;

    for (size_t i = 0; i < size; i++) {
        uint8_t c = bytes.data[i];
        if (c < 0x20 && c != '\n' && c != '\r' && c != '\t') return false;
    }
    return size > 0;
}

static const char *elf_description(struct span bytes)
{
    uint16_t type = 0;

    if (!span_u16(bytes, 16, &type)) return "the beginning of an ELF file";
    switch (type) {
    case ELF_TYPE_RELOCATABLE:
        return "an ELF object file";
    case ELF_TYPE_EXECUTABLE:
        return "an ELF executable";
    case ELF_TYPE_SHARED:
        return "an ELF executable or library";
    default:
        return "an ELF file that is no core";
    }
}

static const char *file_description(struct span bytes)
{
    if (bytes.size == 0) return "empty";
    if (elf_probe(bytes)) return elf_description(bytes);
    if (has_at(bytes, 4, gcdump_text, sizeof(gcdump_text) - 1)) return "a gcdump: it has types and sizes, but no memory";
    if (has_at(bytes, TAR_MAGIC_OFF, "ustar", 5)) return "a tar archive: unpack it first";
    for (size_t i = 0; i < ARRAY_LENGTH(other_files); i++) {
        if (has_at(bytes, 0, other_files[i].magic, other_files[i].size)) return other_files[i].what;
    }
    return is_text(bytes) ? "text" : "of a format that is not known";
}

static struct error *unknown_file(const struct byte_file *file)
{
    return error_create(ERROR_UNSUPPORTED, "'%s' is %s, not a dump: expected a Linux core or a Windows minidump", file->path,
                        file_description(file->bytes));
}

static struct error *open_format(struct dump *dump, struct gaps *gaps)
{
    enum { PROBED = 4096 };
    struct span head = dump->file->bytes;

    if (head.size > PROBED) head.size = PROBED;
    if (!byte_file_ensure(dump->file, 0, head.size)) return error_create(ERROR_BAD_DATA, "its first bytes cannot be read");
    for (size_t i = 0; i < ARRAY_LENGTH(dump_formats); i++) {
        if (!dump_formats[i]->probe(head)) continue;
        dump->format = dump_formats[i]->name;
        return error_prefix(dump_formats[i]->open(dump, gaps), "cannot open '%s'", dump->file->path);
    }
    return unknown_file(dump->file);
}

struct error *dump_create(struct byte_file *file, struct dump **ret)
{
    struct dump *dump = calloc(1, sizeof(*dump));

    if (!dump) return &error_enomem;
    arena_init(&dump->arena);
    dump->file = file;
    dump->kind = "unknown";
    dump->truncated = file->truncated;
    *ret = dump;
    return NULL;
}

struct error *dump_open_file(struct byte_file *file, struct gaps *gaps, struct dump **ret)
{
    struct dump *dump;
    struct error *err = dump_create(file, &dump);

    if (err) {
        byte_file_close(file);
        return err;
    }
    err = open_format(dump, gaps);
    if (err) {
        dump_close(dump);
        return err;
    }
    *ret = dump;
    return NULL;
}

struct error *dump_open(const char *path, struct gaps *gaps, struct progress *progress, struct dump **ret)
{
    struct byte_file *file;

    if (live_is_target(path)) return live_open(path, false, gaps, ret);
    TRY(byte_file_open(path, gaps, progress, &file));
    return dump_open_file(file, gaps, ret);
}

void dump_close(struct dump *dump)
{
    if (!dump) return;
    vec_deinit(&dump->ranges);
    vec_deinit(&dump->file_maps);
    vec_deinit(&dump->modules);
    vec_deinit(&dump->threads);
    vec_deinit(&dump->notes);
    arena_deinit(&dump->arena);
    byte_file_close(dump->file);
    free(dump);
}

/* The last of sorted elements whose start is at most `addr`, if that one ends behind it. */
#define FIND_RANGE(list, addr, ret) \
    do { \
        size_t low_ = 0, high_ = (list).count; \
        while (low_ < high_) { \
            size_t middle_ = low_ + (high_ - low_) / 2; \
            if ((list).data[middle_].start <= (addr)) \
                low_ = middle_ + 1; \
            else \
                high_ = middle_; \
        } \
        (ret) = low_ && (addr) < (list).data[low_ - 1].end ? &(list).data[low_ - 1] : NULL; \
    } while (0)

const struct dump_range *dump_range_at(const struct dump *dump, uint64_t addr)
{
    const struct dump_range *range;

    FIND_RANGE(dump->ranges, addr, range);
    return range;
}

size_t dump_range_from(const struct dump *dump, uint64_t addr)
{
    size_t low = 0, high = dump->ranges.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (dump->ranges.data[middle].end <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct dump_file_map *dump_file_map_at(const struct dump *dump, uint64_t addr)
{
    const struct dump_file_map *map;

    FIND_RANGE(dump->file_maps, addr, map);
    return map;
}
