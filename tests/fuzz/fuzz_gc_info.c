/* GC info: the version, an offset in the code, then the bits; live states at that offset, at each safe point and range. */
#include <stdlib.h>

#include "formats/gc_info.h"

enum { HEAD = 3, PLACES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gc_info info;
    bool *live, safe;

    if (size < HEAD || gc_info_open((struct span) { data + HEAD, size - HEAD }, 2 + data[0] % 3, &info) != GC_INFO_OK) return 0;
    live = malloc(info.tracked_count ? info.tracked_count : 1);
    if (live) {
        gc_info_live(&info, load_u16(data + 1), live, &safe);
        for (size_t i = 0; i < info.safe_points.count && i < PLACES_MAX; i++)
            gc_info_live(&info, info.safe_points.data[i], live, &safe);
        for (size_t i = 0; i < info.ranges.count && i < PLACES_MAX; i++)
            gc_info_live(&info, info.ranges.data[i].end - 1, live, &safe);
    }
    free(live);
    gc_info_close(&info);
    return 0;
}
