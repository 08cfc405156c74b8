#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "formats/pe.h"
#include "support/pe_writer.h"

static const char *const exports[] = { "Alpha", "*Forwarded", "g_dacTable", "omega" };

static const struct pe_writer rich = {
    .timestamp = 0x6adaee43,
    .exports = exports,
    .export_count = 4,
    .resource_name = "COREXTERNALDATAACCESSRESOURCE",
    .resource = "\x78\0\0\0\x44\0\0\0",
    .resource_size = 8,
    .version = { 10, 0, 1426, 52326 },
    .version_text = "10,0,1426,52326 @Commit",
    .pdb_path = "/src/obj/Thing.pdb",
    .embedded_pdb = "deflate",
    .embedded_pdb_size = 7,
    .is_managed = true,
};

struct image {
    struct span bytes;
    struct pe pe;
};

static void image_init(struct image *image, const struct pe_writer *writer, enum pe_layout layout)
{
    image->bytes = layout == PE_LAYOUT_FLAT ? pe_writer_file(writer) : pe_writer_mapped(writer);
    assert_null(pe_open(image->bytes, layout, &image->pe));
}

static void image_deinit(struct image *image)
{
    free((void *)(uintptr_t)image->bytes.data);
}

static const enum pe_layout layouts[] = { PE_LAYOUT_FLAT, PE_LAYOUT_MAPPED };

#define FOR_BOTH_LAYOUTS(image, writer) \
    for (int layout_ = 0; layout_ < 2 && (image_init(&(image), (writer), layouts[layout_]), true); \
         layout_++, image_deinit(&(image)))

static void headers_are_read(void **state)
{
    struct image image;

    (void)state;
    FOR_BOTH_LAYOUTS(image, &rich)
    {
        assert_true(pe_probe(image.bytes));
        assert_true(image.pe.is_64);
        assert_int_equal(image.pe.machine, PE_MACHINE_X64);
        assert_int_equal(image.pe.timestamp, 0x6adaee43);
        assert_int_equal(image.pe.image_size, PE_WRITER_IMAGE_SIZE);
        assert_int_equal(image.pe.preferred_base, PE_WRITER_BASE);
    }
}

static void headers_of_32_bits_are_read(void **state)
{
    struct pe_writer narrow = rich;
    struct image image;
    uint32_t rva;

    (void)state;
    narrow.is_32 = true;
    FOR_BOTH_LAYOUTS(image, &narrow)
    {
        assert_false(image.pe.is_64);
        assert_int_equal(image.pe.preferred_base, (uint32_t)PE_WRITER_BASE);
        assert_true(pe_export(&image.pe, "omega", &rva));
    }
}

static void sections_are_listed_and_found_by_rva(void **state)
{
    struct pe_section section;
    struct image image;

    (void)state;
    FOR_BOTH_LAYOUTS(image, &rich)
    {
        assert_true(pe_section(&image.pe, 1, &section));
        assert_string_equal(section.name, ".data");
        assert_true(section.characteristics & (uint32_t)PE_SECTION_WRITE);
        assert_false(pe_section(&image.pe, 4, &section));
        assert_true(pe_section_at(&image.pe, 0x27ff, &section));
        assert_string_equal(section.name, ".data");
        assert_false(pe_section_at(&image.pe, 0x2800, &section));
    }
}

static void flat_files_have_no_bytes_for_zeros_of_the_loader(void **state)
{
    struct span part;
    struct image image;

    (void)state;
    image_init(&image, &rich, PE_LAYOUT_FLAT);
    assert_true(pe_rva_span(&image.pe, 0x23f8, 8, &part));
    assert_ptr_equal(part.data, image.bytes.data + 0x17f8);
    assert_false(pe_rva_span(&image.pe, 0x23f9, 8, &part));
    assert_false(pe_rva_span(&image.pe, 0x2400, 1, &part));
    assert_true(pe_rva_span(&image.pe, 0, 2, &part));
    assert_false(pe_rva_span(&image.pe, UINT32_MAX, 1, &part));
    image_deinit(&image);
}

static void exports_are_found_by_name(void **state)
{
    static const struct {
        const char *name;
        uint32_t rva; /* 0: not found */
    } cases[] = {
        { "Alpha", PE_WRITER_CODE },
        { "g_dacTable", PE_WRITER_CODE + 32 },
        { "omega", PE_WRITER_CODE + 48 },
        { "Forwarded", 0 },
        { "", 0 },
        { "zzz", 0 },
        { "Alph", 0 },
        { "Alphab", 0 },
    };
    struct image image;

    (void)state;
    FOR_BOTH_LAYOUTS(image, &rich)
    {
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
            uint32_t rva = 0;
            assert_int_equal(pe_export(&image.pe, cases[i].name, &rva), cases[i].rva != 0);
            assert_int_equal(rva, cases[i].rva);
        }
    }
}

static void resources_are_found_by_name(void **state)
{
    struct image image;
    struct span resource;

    (void)state;
    FOR_BOTH_LAYOUTS(image, &rich)
    {
        assert_true(pe_resource(&image.pe, PE_RESOURCE_RCDATA, "CorExternalDataAccessResource", &resource));
        assert_int_equal(resource.size, 8);
        assert_int_equal(resource.data[4], 0x44);
        assert_false(pe_resource(&image.pe, PE_RESOURCE_RCDATA, "CLRDEBUGINFO", &resource));
        assert_false(pe_resource(&image.pe, 3, NULL, &resource));
    }
}

static void versions_are_read(void **state)
{
    struct image image;

    (void)state;
    FOR_BOTH_LAYOUTS(image, &rich)
    {
        struct text text = { 0 };
        assert_true(pe_file_version(&image.pe, &text));
        text_putc(&text, '|');
        assert_true(pe_version_string(&image.pe, "FileVersion", &text));
        assert_string_equal(text_cstr(&text), "10.0.1426.52326|10,0,1426,52326 @Commit");
        assert_false(pe_version_string(&image.pe, "ProductVersion", &text));
        text_deinit(&text);
    }
}

static void debug_directory_is_read(void **state)
{
    struct pe_codeview view;
    struct span deflated;
    struct image image;
    uint32_t size;

    (void)state;
    FOR_BOTH_LAYOUTS(image, &rich)
    {
        assert_true(pe_codeview(&image.pe, &view));
        assert_string_equal(view.path, "/src/obj/Thing.pdb");
        assert_true(view.is_portable && view.age == 1 && view.guid[15] == 16 && view.timestamp == 0xfeedf00d);
        assert_true(pe_embedded_pdb(&image.pe, &deflated, &size));
        assert_int_equal(size, 4321);
        assert_memory_equal(deflated.data, "deflate", 7);
        assert_true(pe_is_reproducible(&image.pe));
    }
}

static void cli_header_leads_to_metadata(void **state)
{
    struct span metadata;
    struct image image;
    struct pe_cli cli;

    (void)state;
    FOR_BOTH_LAYOUTS(image, &rich)
    {
        assert_true(pe_cli(&image.pe, &cli));
        assert_int_equal(cli.flags, 9);
        assert_int_equal(cli.entry_point, 0x06000001);
        assert_int_equal(cli.managed_native_header.rva, 0x1780);
        assert_true(pe_metadata(&image.pe, &metadata));
        assert_memory_equal(metadata.data, "BSJB", 4);
    }
}

static void relocations_are_walked(void **state)
{
    struct pe_relocs relocs;
    struct pe_reloc reloc;
    struct image image;
    uint32_t seen[4] = { 0 };
    size_t count;

    (void)state;
    FOR_BOTH_LAYOUTS(image, &rich)
    {
        count = 0;
        pe_relocs_begin(&image.pe, &relocs);
        while (pe_relocs_next(&relocs, &reloc)) {
            if (reloc.type == PE_RELOC_DIR64 && count < 4) seen[count++] = reloc.rva;
        }
        assert_int_equal(count, 2);
        assert_int_equal(seen[0], PE_WRITER_CONSTANT_POINTER);
        assert_int_equal(seen[1], PE_WRITER_DATA);
    }
}

static void an_image_without_parts_has_none(void **state)
{
    static const struct pe_writer bare = { .timestamp = 1 };
    struct pe_codeview view;
    struct text text = { 0 };
    struct image image;
    struct span span;
    uint32_t rva;

    (void)state;
    FOR_BOTH_LAYOUTS(image, &bare)
    {
        assert_false(pe_export(&image.pe, "Alpha", &rva));
        assert_false(pe_resource(&image.pe, PE_RESOURCE_RCDATA, NULL, &span));
        assert_false(pe_file_version(&image.pe, &text));
        assert_false(pe_codeview(&image.pe, &view));
        assert_false(pe_metadata(&image.pe, &span));
    }
}

static void the_first_page_alone_gives_the_identity(void **state)
{
    struct span mapped = pe_writer_mapped(&rich);
    struct pe pe;
    uint32_t rva;

    (void)state;
    assert_null(pe_open((struct span) { mapped.data, 0x400 }, PE_LAYOUT_MAPPED, &pe));
    assert_int_equal(pe.timestamp, 0x6adaee43);
    assert_false(pe_export(&pe, "Alpha", &rva));
    free((void *)(uintptr_t)mapped.data);
}

/* Everything that reads, on bytes that may be anything. */
static void read_all(struct span bytes, enum pe_layout layout)
{
    struct pe pe;
    struct error *err = pe_open(bytes, layout, &pe);
    struct pe_relocs relocs;
    struct pe_reloc reloc;
    struct pe_codeview view;
    struct pe_debug debug;
    struct text text = { 0 };
    struct span span;
    uint32_t value;

    error_destroy(err);
    if (err) return;
    pe_export(&pe, "g_dacTable", &value);
    pe_resource(&pe, PE_RESOURCE_RCDATA, "COREXTERNALDATAACCESSRESOURCE", &span);
    pe_file_version(&pe, &text);
    pe_version_string(&pe, "FileVersion", &text);
    pe_metadata(&pe, &span);
    pe_codeview(&pe, &view);
    pe_embedded_pdb(&pe, &span, &value);
    for (uint32_t i = 0; pe_debug_entry(&pe, i, &debug); i++)
        continue;
    pe_relocs_begin(&pe, &relocs);
    while (pe_relocs_next(&relocs, &reloc))
        continue;
    text_deinit(&text);
}

static void a_cut_file_is_no_harm(void **state)
{
    struct span file = pe_writer_file(&rich);

    (void)state;
    for (size_t size = 0; size < file.size; size += size < 0x400 ? 1 : 13) {
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, file.data, size);
        read_all((struct span) { copy, size }, PE_LAYOUT_FLAT);
        read_all((struct span) { copy, size }, PE_LAYOUT_MAPPED);
        free(copy);
    }
    free((void *)(uintptr_t)file.data);
}

static void too_many_sections_are_refused(void **state)
{
    struct span file = pe_writer_file(&rich);
    struct pe pe;
    struct error *err;

    (void)state;
    memcpy((void *)(uintptr_t)(file.data + 0x86), "\xff\xff", 2);
    err = pe_open(file, PE_LAYOUT_FLAT, &pe);
    assert_int_equal(err->code, ERROR_BAD_DATA);
    error_destroy(err);
    free((void *)(uintptr_t)file.data);
}

static void other_files_are_refused(void **state)
{
    static const uint8_t elf[64] = "\x7f"
                                   "ELF";
    struct pe pe;
    struct error *err = pe_open((struct span) { elf, sizeof(elf) }, PE_LAYOUT_FLAT, &pe);

    (void)state;
    assert_int_equal(err->code, ERROR_BAD_DATA);
    assert_false(pe_probe((struct span) { elf, sizeof(elf) }));
    error_destroy(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(headers_of_32_bits_are_read),
        cmocka_unit_test(sections_are_listed_and_found_by_rva),
        cmocka_unit_test(flat_files_have_no_bytes_for_zeros_of_the_loader),
        cmocka_unit_test(exports_are_found_by_name),
        cmocka_unit_test(resources_are_found_by_name),
        cmocka_unit_test(versions_are_read),
        cmocka_unit_test(debug_directory_is_read),
        cmocka_unit_test(cli_header_leads_to_metadata),
        cmocka_unit_test(relocations_are_walked),
        cmocka_unit_test(an_image_without_parts_has_none),
        cmocka_unit_test(the_first_page_alone_gives_the_identity),
        cmocka_unit_test(a_cut_file_is_no_harm),
        cmocka_unit_test(too_many_sections_are_refused),
        cmocka_unit_test(other_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
