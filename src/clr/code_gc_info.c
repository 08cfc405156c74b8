#include "clr/code_gc_info.h"

#include "clr/ready_to_run.h"

enum { SIZE_MAX_READ = 256 << 10, PAGE = 4096 };

static uint64_t find(const struct clr *clr, const struct code_block *code, unsigned *version_ret)
{
    uint64_t addr;

    if (code->kind == CODE_READY_TO_RUN) return ready_to_run_gc_info(clr, code, version_ret);
    *version_ret = (unsigned)clr->layout.constant[CONSTANT_GCInfoVersion];
    return clr_try_u64(clr, code->header_addr, FIELD_RealCodeHeader_GCInfo, &addr) ? addr : 0;
}

/* Its length is told by nothing but itself: as much as there is, up to the limit, page by page. */
static size_t copy(const struct memory *memory, uint64_t addr, uint8_t *bytes)
{
    size_t size = 0;

    while (size < SIZE_MAX_READ) {
        size_t step = PAGE - (size_t)((addr + size) % PAGE);

        if (step > SIZE_MAX_READ - size) step = SIZE_MAX_READ - size;
        if (!memory_try_read(memory, addr + size, bytes + size, step)) break;
        size += step;
    }
    return size;
}

static const struct memory *memory_of(const struct clr *clr, const struct code_block *code)
{
    return code->kind == CODE_READY_TO_RUN ? &clr->target->constants : clr->memory;
}

/* From pieces of the dump. */
static enum gc_info_status open_copy(const struct clr *clr, const struct code_block *code, struct code_gc_info *ret)
{
    enum gc_info_status status;
    size_t size;

    ret->bytes = malloc(SIZE_MAX_READ);
    if (!ret->bytes) return GC_INFO_NO_MEMORY;
    size = copy(memory_of(clr, code), ret->addr, ret->bytes);
    status = gc_info_open((struct span) { ret->bytes, size }, ret->version, &ret->info);
    if (status == GC_INFO_OK) return GC_INFO_OK;
    free(ret->bytes);
    ret->bytes = NULL;
    return status;
}

bool code_gc_info_open(const struct clr *clr, const struct code_block *code, struct code_gc_info *ret)
{
    enum gc_info_status status = GC_INFO_CUT;
    const uint8_t *bytes;
    uint64_t size;

    *ret = (struct code_gc_info) { 0 };
    ret->addr = find(clr, code, &ret->version);
    if (!ret->addr || ret->version < 2) return false;
    bytes = memory_view(memory_of(clr, code), ret->addr, PAGE, &size);
    if (bytes && size > SIZE_MAX_READ) size = SIZE_MAX_READ;
    if (bytes) status = gc_info_open((struct span) { bytes, (size_t)size }, ret->version, &ret->info);
    if (status == GC_INFO_CUT) status = open_copy(clr, code, ret);
    return status == GC_INFO_OK;
}

enum gc_info_status code_gc_info_live(const struct clr *clr, const struct code_block *code, struct code_gc_info *info,
                                      uint32_t offset, bool *live, bool *safe_ret)
{
    enum gc_info_status status = gc_info_live(&info->info, offset, live, safe_ret);
    struct code_gc_info copied = *info;

    if (status != GC_INFO_CUT || info->bytes) return status;
    status = open_copy(clr, code, &copied);
    if (status != GC_INFO_OK) return status;
    gc_info_close(&info->info);
    *info = copied;
    return gc_info_live(&info->info, offset, live, safe_ret);
}

void code_gc_info_close(struct code_gc_info *info)
{
    gc_info_close(&info->info);
    free(info->bytes);
}
