/* Debug info of compiled code: the same bytes as head and as bounds in both forms. */
#include "formats/debug_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = { data, size };
    uint32_t off, bounds_size, il;

    debug_info_bounds(bytes, &off, &bounds_size);
    debug_info_il_offset(bytes, false, UINT32_MAX, &il);
    debug_info_il_offset(bytes, true, UINT32_MAX, &il);
    return 0;
}
