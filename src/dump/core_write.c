#include "dump/core_write.h"

#include "dump/core_keep.h"
#include "dump/core_notes.h"
#include "formats/elf_write.h"

enum { PAGE = 4096, STEP = 1 << 20, WINDOW = 64 << 20 };

struct writer {
    struct dump *dump;
    struct core_output *output;
    struct gaps *gaps;
    struct progress *progress;
    uint64_t first_off; /* headers and notes before it are still borrowed */
};

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && !memcmp(bytes, bytes + 1, size - 1));
}

static struct error *put(struct writer *writer, const uint8_t *bytes, size_t size)
{
    if (is_zero(bytes, size)) return core_output_zeros(writer->output, size);
    return core_output_append(writer->output, bytes, size);
}

/* Page by page, where not all of them can be had. */
static struct error *put_pages(struct writer *writer, uint64_t addr, uint64_t off, uint64_t size)
{
    for (uint64_t done = 0; done < size; done += PAGE) {
        uint64_t part = size - done < PAGE ? size - done : PAGE;
        if (byte_file_ensure(writer->dump->file, off + done, part)) {
            TRY(put(writer, writer->dump->file->bytes.data + off + done, part));
            continue;
        }
        gaps_add(writer->gaps, "memory", addr + done, 1, "pages that cannot be read are zeros in the new dump");
        TRY(core_output_zeros(writer->output, part));
    }
    return NULL;
}

/* What was written long enough ago is given back; the frames and chunks of a file do not end where a step does. */
static void release(struct writer *writer, uint64_t end)
{
    uint64_t from = end > WINDOW ? end - WINDOW : 0;

    if (from < writer->first_off) from = writer->first_off;
    if (from < end) byte_file_release(writer->dump->file, from, end - from);
}

/* [off, off + size) of the dump file, which is memory at `addr`. */
static struct error *put_bytes(struct writer *writer, uint64_t addr, uint64_t off, uint64_t size)
{
    for (uint64_t done = 0; done < size;) {
        uint64_t part = size - done < STEP ? size - done : STEP;
        if (progress_is_cancelled(writer->progress)) return error_create(ERROR_CANCELLED, "interrupted");
        if (byte_file_ensure(writer->dump->file, off + done, part)) {
            for (uint64_t at = done; at < done + part; at += 16 * PAGE) {
                uint64_t run = done + part - at < 16 * PAGE ? done + part - at : 16 * PAGE;
                TRY(put(writer, writer->dump->file->bytes.data + off + at, (size_t)run));
            }
        } else {
            TRY(put_pages(writer, addr + done, off + done, part));
        }
        done += part;
        release(writer, off + done);
        progress_add(writer->progress, part);
    }
    return NULL;
}

static uint32_t segment_flags(uint8_t protection)
{
    return (protection & PROTECTION_READ ? ELF_SEGMENT_READ : 0u) | (protection & PROTECTION_WRITE ? ELF_SEGMENT_WRITE : 0u) |
           (protection & PROTECTION_EXEC ? ELF_SEGMENT_EXEC : 0u);
}

static struct error *put_head(struct writer *writer, const struct core_pieces *pieces, const struct core_write_options *options)
{
    const struct dump *dump = writer->dump;
    struct elf_write core;
    struct text head = { 0 };
    struct error *err = NULL;

    elf_write_init(&core, dump->arch && !strcmp(dump->arch, "arm64") ? ELF_MACHINE_ARM64 : ELF_MACHINE_X64);
    for (size_t i = 0; !err && i < pieces->list.count; i++) {
        const struct core_piece *piece = &pieces->list.data[i];
        if (!elf_write_load(&core, piece->start, piece->end - piece->start, piece->keep_size, segment_flags(piece->protection)))
            err = &error_enomem;
    }
    if (!err) err = core_notes_write(dump, options->kind, pieces->left_out_size, &core);
    if (!err) err = elf_write_head(&core, &head);
    if (!err) err = core_output_append(writer->output, head.data, head.length);
    text_deinit(&head);
    elf_write_deinit(&core);
    return err;
}

static struct error *put_pieces(struct writer *writer, const struct core_pieces *pieces)
{
    for (size_t i = 0; i < pieces->list.count; i++) {
        const struct core_piece *piece = &pieces->list.data[i];
        TRY(put_bytes(writer, piece->start, piece->file_off, piece->keep_size));
        TRY(core_output_zeros(writer->output, (PAGE - piece->keep_size % PAGE) % PAGE));
    }
    return NULL;
}

static uint64_t first_off(const struct dump *dump)
{
    uint64_t ret = dump->file->bytes.size;

    for (size_t i = 0; i < dump->ranges.count; i++)
        if (dump->ranges.data[i].file_size && dump->ranges.data[i].file_off < ret) ret = dump->ranges.data[i].file_off;
    return ret;
}

struct error *core_write(struct dump *dump, const struct core_write_options *options, struct core_output *output, struct gaps *gaps,
                         struct progress *progress, struct core_write_result *ret)
{
    struct writer writer = { dump, output, gaps, progress, first_off(dump) };
    struct core_pieces pieces;
    struct error *err;

    TRY(core_pieces_init(&pieces, dump, options->everything));
    progress_start(progress, "writing", pieces.kept_size);
    err = put_head(&writer, &pieces, options);
    if (!err) err = put_pieces(&writer, &pieces);
    progress_end(progress);
    *ret = (struct core_write_result) { pieces.kept_size, pieces.left_out_size };
    core_pieces_deinit(&pieces);
    return err;
}

struct error *core_repack(struct dump *dump, struct core_output *output, struct gaps *gaps, struct progress *progress,
                          struct core_write_result *ret)
{
    struct writer writer = { dump, output, gaps, progress, first_off(dump) };
    struct error *err;

    progress_start(progress, "writing", dump->file->bytes.size);
    err = put_bytes(&writer, 0, 0, dump->file->bytes.size);
    progress_end(progress);
    *ret = (struct core_write_result) { dump->file->bytes.size, 0 };
    return err;
}
