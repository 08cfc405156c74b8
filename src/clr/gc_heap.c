#include "clr/gc_heap.h"

#include <stdlib.h>

#include "base/limits.h"
#include "clr/thread.h"

/*
 * Word offsets in GcDacVars with a generation count (version 2, and 1.0 as of .NET 5). The form of 3.1 has no count: everything
 * behind it lies 8 bytes lower. Source: struct GcDacVars, src/coreclr/gc/gcinterface.dac.h; dacvars macros in
 * gcinterface.dacvars.def.
 */
enum {
    VARS_GENERATION_SIZE = 8,
    VARS_GENERATION_COUNT = 16,
    VARS_GENERATION_TABLE = 48,
    VARS_MAX_GEN = 56,
    VARS_EPHEMERAL_SEGMENT = 80,
    VARS_ALLOC_ALLOCATED = 120,
    VARS_FINALIZE_QUEUE = 144,
    VARS_N_HEAPS = 176,
    VARS_G_HEAPS = 184,
    VARS_STRUCTURES_INVALID = 192,
    VARS_HANDLE_TABLE_MAP = 232,
    VARS_GC_HEAP_OFFSETS = 240,
    VARS_GENERATION_OFFSETS = 248,
    VARS_BOOKKEEPING_START = 256, /* this and the next ones: version 2.1 on */
    VARS_REGIONS_TO_DECOMMIT = 264,
    VARS_FREE_HUGE_REGIONS = 272,
    VARS_FREE_REGIONS = 280,
    VARS_CARD_TABLE_INFO_SIZE = 312,
    VARS_ADAPTATION_MODE = 320,
    VARS_MAX_SIZE = 336,
};

/* heap_segment, src/coreclr/gc/gcpriv.h: the part that the DAC shares (dac_heap_segment), or as the GC's own descriptor says. */
enum segment_member {
    SEGMENT_ALLOCATED,
    SEGMENT_COMMITTED,
    SEGMENT_RESERVED,
    SEGMENT_MEM,
    SEGMENT_FLAGS,
    SEGMENT_NEXT,
    SEGMENT_MEMBERS,
};
static const struct {
    enum field field;
    int32_t off;
} segment_members[SEGMENT_MEMBERS] = {
    [SEGMENT_ALLOCATED] = { FIELD_HeapSegment_Allocated, 0 }, [SEGMENT_COMMITTED] = { FIELD_HeapSegment_Committed, 8 },
    [SEGMENT_RESERVED] = { FIELD_HeapSegment_Reserved, 16 },  [SEGMENT_MEM] = { FIELD_HeapSegment_Mem, 32 },
    [SEGMENT_FLAGS] = { FIELD_HeapSegment_Flags, 40 },        [SEGMENT_NEXT] = { FIELD_HeapSegment_Next, 48 },
};
enum { SEGMENT_FLAG_READONLY = 1, SEGMENT_SIZE = 56 };

/* The variables that the GC's own descriptor names (contract GC, .NET 11), by their places in GcDacVars. */
static const struct {
    unsigned off;
    enum global global;
} contract_variables[] = {
    { VARS_GENERATION_TABLE, GLOBAL_GCHeapGenerationTable },
    { VARS_MAX_GEN, GLOBAL_MaxGeneration },
    { VARS_EPHEMERAL_SEGMENT, GLOBAL_GCHeapEphemeralHeapSegment },
    { VARS_ALLOC_ALLOCATED, GLOBAL_GCHeapAllocAllocated },
    { VARS_FINALIZE_QUEUE, GLOBAL_GCHeapFinalizeQueue },
    { VARS_N_HEAPS, GLOBAL_NumHeaps },
    { VARS_G_HEAPS, GLOBAL_Heaps },
    { VARS_STRUCTURES_INVALID, GLOBAL_StructureInvalidCount },
};

/* Index in gc_heap_field_offsets, the order of dac_gcheap_fields.h; generation_table is the last of the fixed ones. */
enum { HEAP_ALLOC_ALLOCATED, HEAP_EPHEMERAL_SEGMENT, HEAP_FINALIZE_QUEUE, HEAP_FIELD_MAX = 64 };

/* Names by which we mean to know the fields of gc_heap: found by position, the last known ones differ between versions. */
struct gc_reader {
    struct clr *clr;
    const struct memory *memory;
    uint64_t vars;  /* GcDacVars, 0: there is none, the GC's own descriptor says where its variables are */
    unsigned shift; /* 8 in the form of 3.1 */
    uint64_t generation_size;
    uint32_t generation_count;
    int32_t context_off, start_off, allocation_start_off;
    struct gc_heaps *heaps;
    uint64_t segment_limit; /* segments that the dump could hold */
};

const char *gc_generation_name(enum gc_generation generation)
{
    static const char *const names[] = { "gen0", "gen1", "gen2", "loh", "poh", "frozen", "ephemeral" };
    return names[generation];
}

void gc_heaps_deinit(struct gc_heaps *heaps)
{
    vec_deinit(&heaps->segments);
    vec_deinit(&heaps->free_regions);
    vec_deinit(&heaps->contexts);
    vec_deinit(&heaps->generation_tables);
    vec_deinit(&heaps->finalize_queues);
}

static bool contract_word(const struct gc_reader *r, unsigned off, uint64_t *ret)
{
    for (size_t i = 0; i < ARRAY_LENGTH(contract_variables); i++)
        if (contract_variables[i].off == off) return (*ret = r->clr->global[contract_variables[i].global]) != 0;
    return false;
}

/* The word of GcDacVars at `off` (in the newer form). */
static bool vars_word(const struct gc_reader *r, unsigned off, uint64_t *ret)
{
    if (!r->vars) return contract_word(r, off, ret);
    return memory_try_u64(r->memory, r->vars + off - (off > VARS_GENERATION_SIZE ? r->shift : 0), ret);
}

/* What the variable that a word of GcDacVars points at holds. */
static bool vars_deref(const struct gc_reader *r, unsigned off, uint64_t *ret)
{
    uint64_t addr;
    return vars_word(r, off, &addr) && addr && memory_try_u64(r->memory, addr, ret);
}

bool gc_vars_check(const struct memory *memory, uint64_t addr, struct gc_vars *ret)
{
    uint8_t version[2];
    uint64_t max_gen_addr, count;
    uint32_t max_gen;

    if (!memory_try_read(memory, addr, version, 2) || version[0] > 8 || version[1] > 32) return false;
    if (!memory_try_u64(memory, addr + VARS_GENERATION_SIZE, &ret->generation_size)) return false;
    if (ret->generation_size % 8 || ret->generation_size < 0x30 || ret->generation_size > 0x1000) return false;
    if (!memory_try_u64(memory, addr + VARS_GENERATION_COUNT, &count)) return false;
    ret->shift = count <= 8 ? 0 : 8;
    ret->generation_count = ret->shift ? 4 : (uint32_t)count;
    if (ret->generation_count < 4 || ret->generation_count > 8) return false;
    if (!memory_try_u64(memory, addr + VARS_MAX_GEN - ret->shift, &max_gen_addr) ||
        !memory_try_u32(memory, max_gen_addr, &max_gen) || max_gen != 2)
        return false;
    ret->major = version[0];
    ret->minor = version[1];
    return true;
}

static bool vars_check(struct gc_reader *r, uint64_t addr)
{
    struct gc_vars vars;

    if (!gc_vars_check(r->memory, addr, &vars)) return false;
    r->vars = addr;
    r->shift = vars.shift;
    r->generation_size = vars.generation_size;
    r->generation_count = vars.generation_count;
    r->heaps->major = vars.major;
    r->heaps->minor = vars.minor;
    return true;
}

/* By the DAC table's index, else the one entry of the table that leads to a GcDacVars. */
static bool vars_find(struct gc_reader *r)
{
    const struct clr *clr = r->clr;
    uint64_t vars;

    if (clr_try_global(clr, GLOBAL_GcDacVars, &vars) && vars_check(r, vars)) return true;
    for (uint32_t i = 0; i < clr->dac.count; i++)
        if (clr->dac.words[i] && memory_try_u64(r->memory, clr->dac.words[i], &vars) && vars_check(r, vars)) return true;
    return false;
}

/* The same by the GC's own descriptor. Source: docs/design/datacontracts/GC.md, version 1. */
static bool contract_find(struct gc_reader *r)
{
    const struct layout *layout = &r->clr->layout;
    uint64_t max_gen_addr, count = layout->constant[CONSTANT_TotalGenerationCount];
    uint32_t max_gen;

    if (!layout_has(layout, FIELD_Generation_SIZE) || !layout_has(layout, FIELD_Generation_StartSegment)) return false;
    r->generation_size = (uint64_t)layout->offset[FIELD_Generation_SIZE];
    if (r->generation_size < 16 || count < 4 || count > 8) return false;
    r->generation_count = (uint32_t)count;
    return contract_word(r, VARS_MAX_GEN, &max_gen_addr) && memory_try_u32(r->memory, max_gen_addr, &max_gen) && max_gen == 2;
}

static void read_contract_offsets(struct gc_reader *r)
{
    const struct layout *layout = &r->clr->layout;

    r->start_off = layout->offset[FIELD_Generation_StartSegment];
    r->context_off = layout->offset[FIELD_Generation_AllocationContext];
    r->allocation_start_off = layout->offset[FIELD_Generation_AllocationStart];
    r->heaps->has_regions = r->allocation_start_off < 0;
}

static void read_generation_offsets(struct gc_reader *r)
{
    uint64_t addr;
    int32_t offsets[3];

    if (!r->vars) {
        read_contract_offsets(r);
        return;
    }
    r->context_off = 0;
    r->start_off = 56;
    r->allocation_start_off = 64;
    if (r->shift || !vars_word(r, VARS_GENERATION_OFFSETS, &addr) || !memory_try_read(r->memory, addr, offsets, sizeof(offsets)))
        return;
    if (offsets[0] < 0 || offsets[1] < 0 || (uint64_t)offsets[0] + 16 > r->generation_size ||
        (uint64_t)offsets[1] + 8 > r->generation_size)
        return;
    r->context_off = offsets[0];
    r->start_off = offsets[1];
    r->allocation_start_off = offsets[2];
    r->heaps->has_regions = offsets[2] == -1;
}

struct heap_view {
    uint32_t heap;
    uint64_t generation_table;
    uint64_t ephemeral_segment, alloc_allocated;
};

static uint64_t generation_word(const struct gc_reader *r, const struct heap_view *view, uint32_t generation, int32_t off)
{
    uint64_t value;

    if (off < 0 || !memory_try_u64(r->memory, view->generation_table + generation * r->generation_size + (uint64_t)off, &value))
        return 0;
    return value;
}

static bool read_heap_segment(const struct gc_reader *r, uint64_t addr, uint64_t words[SEGMENT_MEMBERS])
{
    for (size_t i = 0; i < SEGMENT_MEMBERS; i++) {
        int32_t own = r->clr->layout.offset[segment_members[i].field];

        if (!memory_try_u64(r->memory, addr + (uint64_t)(own < 0 ? segment_members[i].off : own), &words[i])) return false;
    }
    return true;
}

static struct error *add_segment(struct gc_reader *r, const struct heap_view *view, uint32_t generation, uint64_t addr,
                                 uint64_t *next_ret)
{
    uint64_t words[SEGMENT_MEMBERS];
    struct gc_segment segment = { .addr = addr, .heap = view->heap, .generation = (enum gc_generation)generation };

    if (!read_heap_segment(r, addr, words)) {
        gaps_add(r->clr->gaps, "GC segments", addr, 1, "heap_segment not in the dump");
        *next_ret = 0;
        return NULL;
    }
    segment.start = words[SEGMENT_MEM];
    segment.end = words[SEGMENT_ALLOCATED];
    segment.committed = words[SEGMENT_COMMITTED];
    segment.reserved = words[SEGMENT_RESERVED];
    segment.flags = words[SEGMENT_FLAGS];
    *next_ret = words[SEGMENT_NEXT];
    if (segment.flags & SEGMENT_FLAG_READONLY) segment.generation = GC_FROZEN;
    if (addr == view->ephemeral_segment) {
        segment.end = view->alloc_allocated;
        if (!r->heaps->has_regions) {
            segment.generation = GC_EPHEMERAL;
            segment.gen1_start = generation_word(r, view, 1, r->allocation_start_off);
            segment.gen0_start = generation_word(r, view, 0, r->allocation_start_off);
        }
    }
    if (segment.end < segment.start || segment.end - segment.start > UINT64_C(1) << 46) {
        gaps_add(r->clr->gaps, "GC segments", addr, 1, "segment ends before it starts");
        return NULL;
    }
    return vec_push(&r->heaps->segments, segment) ? NULL : &error_enomem;
}

static struct error *read_chain(struct gc_reader *r, const struct heap_view *view, uint32_t generation)
{
    uint64_t addr = generation_word(r, view, generation, r->start_off);

    while (addr) {
        if (r->heaps->segments.count >= r->segment_limit) {
            gaps_add(r->clr->gaps, "GC segments", addr, 1, "more segments than the dump could hold: the chain has a cycle");
            return NULL;
        }
        TRY(add_segment(r, view, generation, addr, &addr));
    }
    return NULL;
}

static struct error *add_context(struct gc_heaps *heaps, uint64_t ptr, uint64_t limit)
{
    struct gc_context context = { ptr, limit };

    if (!ptr || limit < ptr) return NULL;
    return vec_push(&heaps->contexts, context) ? NULL : &error_enomem;
}

static struct error *read_heap(struct gc_reader *r, const struct heap_view *view)
{
    /* Before regions, generations 0 and 1 share the ephemeral segment, which hangs in generation 2's chain. */
    uint32_t first = r->heaps->has_regions ? 0 : 2;

    if (!vec_push(&r->heaps->generation_tables, view->generation_table)) return &error_enomem;
    for (uint32_t generation = first; generation < r->generation_count && generation <= GC_POH; generation++)
        TRY(read_chain(r, view, generation));
    for (uint32_t generation = 0; generation < r->generation_count; generation++)
        TRY(add_context(r->heaps, generation_word(r, view, generation, r->context_off),
                        generation_word(r, view, generation, r->context_off + 8)));
    return NULL;
}

/* Lists of free regions: region_free_list, 56 bytes {count, reserved, committed, added, removed, head, tail}; head is a
 * heap_segment. */
static struct error *read_free_list(struct gc_reader *r, uint32_t heap, uint64_t list_addr, bool to_decommit)
{
    enum { LIST_HEAD = 40 };
    uint64_t addr, seen = 0;

    if (!memory_try_u64(r->memory, list_addr + LIST_HEAD, &addr)) return NULL;
    while (addr && seen++ < r->segment_limit) {
        uint64_t words[SEGMENT_MEMBERS];
        struct gc_free_region region = { .addr = addr, .heap = heap, .to_decommit = to_decommit };

        if (!read_heap_segment(r, addr, words)) break;
        region.start = words[SEGMENT_MEM];
        region.committed = words[SEGMENT_COMMITTED];
        region.reserved = words[SEGMENT_RESERVED];
        if (region.committed >= region.start && !vec_push(&r->heaps->free_regions, region)) return &error_enomem;
        addr = words[SEGMENT_NEXT];
    }
    return NULL;
}

enum { FREE_LIST_SIZE = 56, FREE_LIST_KINDS = 3 };

static struct error *read_free_lists(struct gc_reader *r, uint32_t heap, uint64_t lists, unsigned count, bool to_decommit)
{
    for (unsigned i = 0; i < count; i++)
        TRY(read_free_list(r, heap, lists + i * FREE_LIST_SIZE, to_decommit));
    return NULL;
}

static bool has_bookkeeping(const struct gc_heaps *heaps)
{
    return heaps->major > 2 || (heaps->major == 2 && heaps->minor >= 1);
}

static struct error *read_global_free_lists(struct gc_reader *r)
{
    uint64_t addr;

    if (!has_bookkeeping(r->heaps) || !r->heaps->has_regions) return NULL;
    if (vars_word(r, VARS_REGIONS_TO_DECOMMIT, &addr) && addr) TRY(read_free_lists(r, 0, addr, FREE_LIST_KINDS, true));
    if (vars_word(r, VARS_FREE_HUGE_REGIONS, &addr) && addr) TRY(read_free_lists(r, 0, addr, 1, false));
    if (!r->heaps->is_server && vars_word(r, VARS_FREE_REGIONS, &addr) && addr)
        TRY(read_free_lists(r, 0, addr, FREE_LIST_KINDS, false));
    return NULL;
}

/* card_table_info in front of the card table: {u32 references, u64 size, next, lowest, highest}. */
static void read_bookkeeping(struct gc_reader *r)
{
    uint64_t start, size, lowest, highest;

    if (!has_bookkeeping(r->heaps) || !vars_deref(r, VARS_BOOKKEEPING_START, &start) || !start) return;
    if (!memory_try_u64(r->memory, start + 8, &size) || !memory_try_u64(r->memory, start + 24, &lowest) ||
        !memory_try_u64(r->memory, start + 32, &highest))
        return;
    if (size > UINT64_C(1) << 46 || highest < lowest) return;
    r->heaps->bookkeeping_start = start;
    r->heaps->bookkeeping_size = size;
    r->heaps->lowest = lowest;
    r->heaps->highest = highest;
}

/* The number of heaps of a server GC may change while it runs. Only believed when the variable lies in an image, and is small. */
static void read_adaptation_mode(struct gc_reader *r)
{
    uint64_t addr;
    uint32_t mode;

    r->heaps->adaptation_mode = -1;
    if (!has_bookkeeping(r->heaps) || !vars_word(r, VARS_ADAPTATION_MODE, &addr) || !target_module_at(r->clr->target, addr)) return;
    if (memory_try_u32(r->memory, addr, &mode) && mode <= 1) r->heaps->adaptation_mode = (int)mode;
}

static struct error *read_workstation(struct gc_reader *r)
{
    struct heap_view view = { 0 };
    uint64_t queue;

    if (!vars_word(r, VARS_GENERATION_TABLE, &view.generation_table) || !view.generation_table)
        return error_fault(r->vars, "cannot read the GC's generation table: address not in dump");
    vars_deref(r, VARS_EPHEMERAL_SEGMENT, &view.ephemeral_segment);
    vars_deref(r, VARS_ALLOC_ALLOCATED, &view.alloc_allocated);
    if (vars_deref(r, VARS_FINALIZE_QUEUE, &queue) && !vec_push(&r->heaps->finalize_queues, queue)) return &error_enomem;
    r->heaps->heap_count = 1;
    return read_heap(r, &view);
}

/* Offsets of the fields of gc_heap, in the order of dac_gcheap_fields.h: how many there are differs by version, generation_table is
 * last. */
static size_t read_heap_offsets(struct gc_reader *r, int32_t *offsets)
{
    uint64_t addr;
    size_t count = 0;

    if (!r->vars) {
        const struct layout *layout = &r->clr->layout;

        offsets[HEAP_ALLOC_ALLOCATED] = layout->offset[FIELD_GCHeap_AllocAllocated];
        offsets[HEAP_EPHEMERAL_SEGMENT] = layout->offset[FIELD_GCHeap_EphemeralHeapSegment];
        offsets[HEAP_FINALIZE_QUEUE] = layout->offset[FIELD_GCHeap_FinalizeQueue];
        offsets[3] = layout->offset[FIELD_GCHeap_GenerationTable];
        return offsets[0] < 0 || offsets[1] < 0 || offsets[2] < 0 ? 0 : 4;
    }
    if (r->shift) { /* 3.1 knows no such array */
        offsets[HEAP_ALLOC_ALLOCATED] = 0;
        offsets[HEAP_EPHEMERAL_SEGMENT] = 8;
        offsets[HEAP_FINALIZE_QUEUE] = 16;
        offsets[3] = 344;
        return 4;
    }
    if (!vars_word(r, VARS_GC_HEAP_OFFSETS, &addr)) return 0;
    /* The first field may be the first of gc_heap (6.0 on Linux); a 0 behind it ends the array. */
    while (count < HEAP_FIELD_MAX && memory_try_read(r->memory, addr + 4 * count, &offsets[count], 4) &&
           (offsets[count] != 0 || count == HEAP_ALLOC_ALLOCATED) && offsets[count] >= -1 && offsets[count] < 1 << 20)
        count++;
    return count;
}

/* The generation table is where a plausible generation starts: its start segment leads to a heap_segment whose mem lies behind it.
 */
static bool is_generation_table(const struct gc_reader *r, uint64_t addr)
{
    uint64_t segment, words[SEGMENT_MEMBERS];

    return memory_try_u64(r->memory, addr + 2 * r->generation_size + (uint64_t)r->start_off, &segment) && segment &&
           read_heap_segment(r, segment, words) && words[SEGMENT_MEM] && words[SEGMENT_MEM] < words[SEGMENT_RESERVED];
}

static struct error *read_server_heap(struct gc_reader *r, uint32_t index, uint64_t heap, const int32_t *offsets, size_t count)
{
    enum { HEAP_FREE_REGIONS = 21 };
    struct heap_view view = { .heap = index };
    uint64_t queue;

    for (size_t i = count; i > 0 && !view.generation_table; i--)
        if (offsets[i - 1] > 0 && is_generation_table(r, heap + (uint64_t)offsets[i - 1]))
            view.generation_table = heap + (uint64_t)offsets[i - 1];
    if (!view.generation_table) {
        gaps_add(r->clr->gaps, "GC heaps", heap, 1, "no generation table found in gc_heap");
        return NULL;
    }
    memory_try_u64(r->memory, heap + (uint64_t)offsets[HEAP_ALLOC_ALLOCATED], &view.alloc_allocated);
    memory_try_u64(r->memory, heap + (uint64_t)offsets[HEAP_EPHEMERAL_SEGMENT], &view.ephemeral_segment);
    if (memory_try_u64(r->memory, heap + (uint64_t)offsets[HEAP_FINALIZE_QUEUE], &queue) &&
        !vec_push(&r->heaps->finalize_queues, queue))
        return &error_enomem;
    if (has_bookkeeping(r->heaps) && count > HEAP_FREE_REGIONS && offsets[HEAP_FREE_REGIONS] > 0)
        TRY(read_free_lists(r, index, heap + (uint64_t)offsets[HEAP_FREE_REGIONS], FREE_LIST_KINDS, false));
    return read_heap(r, &view);
}

static struct error *read_server(struct gc_reader *r, uint64_t heaps_addr)
{
    int32_t offsets[HEAP_FIELD_MAX];
    size_t offset_count = read_heap_offsets(r, offsets);
    uint64_t n_heaps_addr;
    uint32_t n_heaps;

    if (offset_count <= HEAP_FINALIZE_QUEUE)
        return error_fault(r->vars, "cannot read the field offsets of the server GC: address not in dump");
    if (!vars_word(r, VARS_N_HEAPS, &n_heaps_addr) || !memory_try_u32(r->memory, n_heaps_addr, &n_heaps) || n_heaps == 0 ||
        n_heaps > LIMIT_GC_HEAPS)
        return error_fault(r->vars, "cannot read the number of server GC heaps");
    r->heaps->is_server = true;
    r->heaps->heap_count = n_heaps;
    for (uint32_t i = 0; i < n_heaps; i++) {
        uint64_t heap;

        if (memory_try_u64(r->memory, heaps_addr + 8ull * i, &heap) && heap)
            TRY(read_server_heap(r, i, heap, offsets, offset_count));
        else
            gaps_add(r->clr->gaps, "GC heaps", heaps_addr + 8ull * i, 1, "gc_heap not in the dump");
    }
    return NULL;
}

static int compare_contexts(const void *a, const void *b)
{
    const struct gc_context *left = a, *right = b;
    return left->ptr < right->ptr ? -1 : left->ptr > right->ptr;
}

static struct error *read_contexts(struct gc_reader *r)
{
    struct clr_thread *threads;
    size_t count;
    struct arena arena;
    struct error *err;

    arena_init(&arena);
    err = clr_threads(r->clr, &arena, &threads, &count);
    for (size_t i = 0; !err && i < count; i++)
        if (threads[i].has_alloc_context) err = add_context(r->heaps, threads[i].alloc_ptr, threads[i].alloc_limit);
    arena_deinit(&arena);
    if (err && err != &error_enomem) {
        gaps_add_error(r->clr->gaps, "allocation contexts", err);
        err = NULL;
    }
    vec_sort(&r->heaps->contexts, compare_contexts);
    return err;
}

static struct error *gc_heaps_read(struct gc_reader *r)
{
    uint64_t heaps_addr_addr, heaps_addr = 0, word;

    if (!vars_find(r)) {
        r->vars = 0;
        if (!contract_find(r)) return error_create(ERROR_FAULT, "cannot find the GC's variables (GcDacVars) in the dump");
    }
    r->heaps->vars_addr = r->vars;
    r->heaps->generation_count = r->generation_count;
    read_generation_offsets(r);
    if (vars_deref(r, VARS_STRUCTURES_INVALID, &word)) r->heaps->in_gc = (uint32_t)word > 0;
    vars_word(r, VARS_HANDLE_TABLE_MAP, &r->heaps->handle_table_map);
    read_bookkeeping(r);
    read_adaptation_mode(r);
    if (vars_word(r, VARS_G_HEAPS, &heaps_addr_addr) && heaps_addr_addr) memory_try_u64(r->memory, heaps_addr_addr, &heaps_addr);
    if (heaps_addr)
        TRY(read_server(r, heaps_addr));
    else
        TRY(read_workstation(r));
    TRY(read_global_free_lists(r));
    return read_contexts(r);
}

struct error *gc_heaps_init(struct clr *clr, struct gc_heaps *ret)
{
    struct gc_reader reader = {
        .clr = clr,
        .memory = clr->memory,
        .heaps = ret,
        .segment_limit = limit_from_size(clr->target->dump->file ? clr->target->dump->file->bytes.size : 0, SEGMENT_SIZE),
    };
    struct error *err;

    *ret = (struct gc_heaps) { 0 };
    err = gc_heaps_read(&reader);
    if (err) gc_heaps_deinit(ret);
    return err;
}

uint64_t gc_heaps_hash(const struct gc_heaps *heaps)
{
    uint64_t hash = heaps->segments.count;

    for (size_t i = 0; i < heaps->segments.count; i++) {
        const struct gc_segment *segment = &heaps->segments.data[i];

        hash = map_hash(hash ^ map_hash(segment->start)) + segment->end;
        hash = map_hash(hash) + (uint64_t)segment->generation;
    }
    return hash;
}
