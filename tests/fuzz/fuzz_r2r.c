/* Sections of a ReadyToRun image: the same bytes as header, as NativeArray and as GC info. */
#include "formats/r2r.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = { data, size };
    struct r2r_header header;
    uint32_t a, b, count;

    r2r_header(bytes, &header);
    r2r_section(bytes, R2R_SECTION_METHOD_DEF_ENTRY_POINTS, &a, &b);
    if (r2r_array_count(bytes, 0, &count))
        for (uint32_t i = 0; i < count && i < 1000; i++)
            if (r2r_array_get(bytes, 0, i, &a)) r2r_entry_function(bytes, a, &b);
    for (unsigned version = 2; version <= 4; version++)
        gc_info_code_length(bytes, version, &a);
    return 0;
}
