#include "dump/minidump_command.h"

#include <string.h>

#include "base/text.h"

/*
 * TEB -> PEB -> RTL_USER_PROCESS_PARAMETERS -> CommandLine, a UNICODE_STRING { u16 bytes, u16 room, u32, u64 address }.
 * These offsets are the same in every 64-bit Windows. Source: Windows SDK, winternl.h (the members it does not name are padding).
 */
enum { TEB_PEB = 0x60, PEB_PARAMETERS = 0x20, PARAMETERS_COMMAND_LINE = 0x70 };

/* The range whose file content holds `addr`; ranges are sorted. */
static const struct dump_range *content_at(const struct dump *dump, uint64_t addr)
{
    size_t low = 0, high = dump->ranges.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct dump_range *range = &dump->ranges.data[middle];
        if (addr < range->start)
            high = middle;
        else if (addr - range->start >= range->file_size)
            low = middle + 1;
        else
            return range;
    }
    return NULL;
}

static bool try_bytes(const struct dump *dump, uint64_t addr, uint64_t size, struct span *ret)
{
    const struct dump_range *range = content_at(dump, addr);
    uint64_t off;

    if (!range || size > range->file_size - (addr - range->start)) return false;
    off = range->file_off + (addr - range->start);
    return byte_file_ensure(dump->file, off, size) && span_slice(dump->file->bytes, off, size, ret);
}

static bool try_u64(const struct dump *dump, uint64_t addr, uint64_t *ret)
{
    struct span bytes;

    if (!try_bytes(dump, addr, 8, &bytes)) return false;
    *ret = load_u64(bytes.data);
    return true;
}

static bool try_command(const struct dump *dump, uint64_t teb, struct span *ret)
{
    uint64_t peb, parameters, text_addr;
    struct span length;

    return try_u64(dump, teb + TEB_PEB, &peb) && try_u64(dump, peb + PEB_PARAMETERS, &parameters) &&
           try_bytes(dump, parameters + PARAMETERS_COMMAND_LINE, 2, &length) && load_u16(length.data) >= 2 &&
           try_u64(dump, parameters + PARAMETERS_COMMAND_LINE + 8, &text_addr) &&
           try_bytes(dump, text_addr, load_u16(length.data) & ~1u, ret);
}

void minidump_read_command(struct dump *dump)
{
    struct text text;
    struct span units;

    if (strcmp(dump->arch, "x64") && strcmp(dump->arch, "arm64")) return;
    for (size_t i = 0; i < dump->threads.count; i++) {
        if (!dump->threads.data[i].tls_base || !try_command(dump, dump->threads.data[i].tls_base, &units)) continue;
        text_init(&text);
        text_append_utf16(&text, units.data, units.size / 2);
        if (!text.failed) dump->command = arena_strndup(&dump->arena, text.data, text.length);
        text_deinit(&text);
        return;
    }
}
