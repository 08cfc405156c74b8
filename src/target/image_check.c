#include "target/image_check.h"

#include <string.h>

struct check {
    const struct target *target;
    const struct image_facts *facts;
    struct image_file file;       /* the candidate, decoded */
    struct text in_dump, on_disk; /* identities, for the gap; the second is that of the last file refused */
};

bool image_identity_is_known(const struct image_identity *identity)
{
    return identity->build_id_size || identity->timestamp || identity->image_size;
}

void image_describe_build_id(struct text *text, const uint8_t *build_id, uint32_t size)
{
    text_puts(text, size ? "build-id " : "no build-id");
    for (uint32_t i = 0; i < size; i++)
        text_printf(text, "%02x", build_id[i]);
}

static void describe_pe(struct text *text, uint32_t timestamp, uint32_t image_size)
{
    text_printf(text, "timestamp %08x and size %x", timestamp, image_size);
}

static bool same_build_id(struct check *check)
{
    const struct image_file *file = &check->file;
    const struct image_identity *want = &check->facts->identity;

    text_clear(&check->on_disk);
    if (!file->is_elf) {
        text_puts(&check->on_disk, "no ELF file");
        return false;
    }
    image_describe_build_id(&check->on_disk, file->elf.build_id, file->elf.build_id_size);
    return file->elf.build_id_size == want->build_id_size && memcmp(file->elf.build_id, want->build_id, want->build_id_size) == 0;
}

static bool same_pe(struct check *check)
{
    const struct image_file *file = &check->file;
    const struct image_identity *want = &check->facts->identity;

    text_clear(&check->on_disk);
    if (!file->is_pe) {
        text_puts(&check->on_disk, "no PE file");
        return false;
    }
    describe_pe(&check->on_disk, file->pe.timestamp, file->pe.image_size);
    return file->pe.timestamp == want->timestamp && file->pe.image_size == want->image_size;
}

/* An ELF file without a build-id: its first page, which nobody writes, is in the dump. */
static bool same_first_page(const struct check *check, struct span bytes, bool *is_dumped_ret)
{
    uint64_t size = 0;
    const uint8_t *page = NULL;

    if (check->facts->module) page = memory_view_dumped(&check->target->memory, check->facts->module->base, 4096, &size);
    *is_dumped_ret = page && size >= 64;
    if (size > bytes.size) size = bytes.size; /* the rest of the page is zeros */
    return *is_dumped_ret && size >= 64 && memcmp(bytes.data, page, size) == 0;
}

static uint64_t largest_page(const struct dump *dump)
{
    return dump->arch && strcmp(dump->arch, "x64") == 0 ? 4096 : 65536;
}

/* Do the mappings fit the file: all inside, and when one maps the whole of it, no longer than that? */
static bool same_extent(const struct check *check, struct span bytes)
{
    const struct image_facts *facts = check->facts;
    uint64_t page = largest_page(check->target->dump), end = (bytes.size + page - 1) / page * page;

    if (facts->extent == 0 || facts->extent > end) return false;
    return facts->first_extent != facts->extent || end - facts->extent < page;
}

static bool accept_unknown(struct check *check, struct span bytes)
{
    bool is_dumped;

    if (same_first_page(check, bytes, &is_dumped)) return true;
    text_clear(&check->on_disk);
    if (is_dumped) {
        text_puts(&check->on_disk, "another first page");
        return false;
    }
    if (!same_extent(check, bytes)) {
        text_printf(&check->on_disk, "%zu bytes", bytes.size);
        return false;
    }
    gaps_add(check->target->gaps, "image file", check->facts->module ? check->facts->module->base : 0, 1,
             "taken on trust: no header in the dump");
    return true;
}

static void decode(struct span bytes, struct image_file *ret)
{
    struct error *err;

    *ret = (struct image_file) { .bytes = bytes };
    ret->is_elf = elf_image_from_file(bytes, &ret->elf);
    if (ret->is_elf || !pe_probe(bytes)) return;
    err = pe_open(bytes, PE_LAYOUT_FLAT, &ret->pe);
    ret->is_pe = !err;
    error_destroy(err);
}

static bool accept(void *user, struct span bytes)
{
    struct check *check = user;
    const struct image_identity *want = &check->facts->identity;

    decode(bytes, &check->file);
    if (want->build_id_size) return same_build_id(check);
    if (want->timestamp || want->image_size) return same_pe(check);
    return accept_unknown(check, bytes);
}

static void describe_wanted(struct check *check)
{
    const struct image_facts *facts = check->facts;
    const struct image_identity *want = &facts->identity;

    if (want->build_id_size) {
        image_describe_build_id(&check->in_dump, want->build_id, want->build_id_size);
    } else if (want->timestamp || want->image_size) {
        describe_pe(&check->in_dump, want->timestamp, want->image_size);
    } else if (facts->extent) {
        text_printf(&check->in_dump, "%llu bytes", (unsigned long long)facts->extent);
    } else {
        text_puts(&check->in_dump, "nothing known of it");
    }
}

static void report_refused(struct check *check)
{
    uint64_t addr = check->facts->module ? check->facts->module->base : 0;

    describe_wanted(check);
    gaps_add(check->target->gaps, "image file", addr, 1, "%s: %s in the dump, %s on disk", check->facts->path,
             text_cstr(&check->in_dump), text_cstr(&check->on_disk));
}

bool image_check_find(struct image_search *search, const struct target *target, const struct image_facts *facts,
                      struct image_file *ret, bool *missing_ret)
{
    struct check check = { .target = target, .facts = facts };
    struct span bytes;
    bool is_found = image_search_find(search, facts->path, accept, &check, &bytes);

    *missing_ret = !is_found && check.on_disk.length == 0;
    if (is_found)
        *ret = check.file;
    else if (!*missing_ret)
        report_refused(&check);
    text_deinit(&check.in_dump);
    text_deinit(&check.on_disk);
    return is_found;
}
