/* A PE image, flat and mapped: everything that formats/pe.h answers. */
#include <stdlib.h>

#include "formats/pe.h"

static volatile uint64_t sink;

/* Touches every byte that the decoder promises. */
static void use(struct span span)
{
    for (size_t i = 0; i < span.size; i++)
        sink += span.data[i];
}

static void use_sections(const struct pe *pe)
{
    struct pe_section section;
    struct span span;

    for (uint32_t i = 0; pe_section(pe, i, &section); i++) {
        if (pe_rva_rest(pe, section.rva, &span)) use(span);
    }
    for (int i = 0; i < PE_DIRECTORY_COUNT; i++) {
        if (pe_directory_span(pe, (enum pe_directory_index)i, &span)) use(span);
    }
}

static void use_names(const struct pe *pe)
{
    struct text text = { 0 };
    struct span span;
    uint32_t rva;

    sink += pe_export(pe, "g_dacTable", &rva) + pe_export(pe, "", &rva) + pe_export(pe, "zzzz", &rva);
    if (pe_resource(pe, PE_RESOURCE_RCDATA, "COREXTERNALDATAACCESSRESOURCE", &span)) use(span);
    if (pe_resource(pe, PE_RESOURCE_VERSION, NULL, &span)) use(span);
    sink += pe_file_version(pe, &text) + pe_version_string(pe, "FileVersion", &text);
    text_deinit(&text);
}

static void use_debug(const struct pe *pe)
{
    struct pe_codeview view;
    struct pe_debug debug;
    struct span span;
    uint32_t size;

    for (uint32_t i = 0; pe_debug_entry(pe, i, &debug); i++)
        use(debug.data);
    if (pe_codeview(pe, &view)) sink += strlen(view.path);
    if (pe_embedded_pdb(pe, &span, &size)) use(span);
    sink += pe_is_reproducible(pe);
}

static void use_all(struct span bytes, enum pe_layout layout)
{
    struct pe pe;
    struct error *err = pe_open(bytes, layout, &pe);
    struct pe_relocs relocs;
    struct pe_reloc reloc;
    struct span span;

    error_destroy(err);
    if (err) return;
    use_sections(&pe);
    use_names(&pe);
    use_debug(&pe);
    if (pe_metadata(&pe, &span)) use(span);
    pe_relocs_begin(&pe, &relocs);
    while (pe_relocs_next(&relocs, &reloc))
        sink += reloc.rva;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = { data, size };

    use_all(bytes, PE_LAYOUT_FLAT);
    use_all(bytes, PE_LAYOUT_MAPPED);
    return 0;
}
