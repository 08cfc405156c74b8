#include "minidump_writer.h"

#include <stdlib.h>
#include <string.h>

#include "formats/minidump.h"

enum { ENTRY_SIZE = 12, CONTEXT_X64_SIZE = 1232, CONTEXT_X64_FLAGS = 0x10001f };

/* ---- bytes ---- */

uint32_t minidump_writer_put(struct minidump_writer *w, const void *data, size_t size)
{
    size_t off = w->bytes.count;

    if (!vec_reserve(&w->bytes, off + size + 1)) abort();
    if (data)
        memcpy(w->bytes.data + off, data, size);
    else
        memset(w->bytes.data + off, 0, size);
    w->bytes.count += size;
    return (uint32_t)off;
}

uint32_t minidump_writer_u16(struct minidump_writer *w, uint16_t value)
{
    return minidump_writer_put(w, &value, 2);
}

uint32_t minidump_writer_u32(struct minidump_writer *w, uint32_t value)
{
    return minidump_writer_put(w, &value, 4);
}

uint32_t minidump_writer_u64(struct minidump_writer *w, uint64_t value)
{
    return minidump_writer_put(w, &value, 8);
}

uint32_t minidump_writer_string(struct minidump_writer *w, const char *text)
{
    uint32_t off = minidump_writer_u32(w, (uint32_t)strlen(text) * 2);

    for (const char *c = text; *c; c++)
        minidump_writer_u16(w, (uint8_t)*c);
    minidump_writer_u16(w, 0);
    return off;
}

void minidump_writer_patch_u32(struct minidump_writer *w, uint32_t off, uint32_t value)
{
    memcpy(w->bytes.data + off, &value, 4);
}

void minidump_writer_patch_u64(struct minidump_writer *w, uint32_t off, uint64_t value)
{
    memcpy(w->bytes.data + off, &value, 8);
}

struct span minidump_writer_span(const struct minidump_writer *w)
{
    return (struct span) { w->bytes.data, w->bytes.count };
}

/* ---- header and directory ---- */

void minidump_writer_init(struct minidump_writer *w, uint32_t version, uint64_t flags, uint32_t entry_count)
{
    *w = (struct minidump_writer) { .entry_count = entry_count };
    minidump_writer_u32(w, MINIDUMP_SIGNATURE);
    minidump_writer_u32(w, version);
    minidump_writer_u32(w, entry_count);
    minidump_writer_u32(w, MINIDUMP_HEADER_SIZE);
    minidump_writer_u32(w, 0);
    minidump_writer_u32(w, 0);
    minidump_writer_u64(w, flags);
    minidump_writer_put(w, NULL, (size_t)entry_count * ENTRY_SIZE);
}

void minidump_writer_deinit(struct minidump_writer *w)
{
    vec_deinit(&w->bytes);
}

void minidump_writer_entry(struct minidump_writer *w, uint32_t type, uint32_t off, uint32_t size)
{
    uint32_t entry = MINIDUMP_HEADER_SIZE + w->entries_used++ * ENTRY_SIZE;

    if (w->entries_used > w->entry_count) abort();
    minidump_writer_patch_u32(w, entry, type);
    minidump_writer_patch_u32(w, entry + 4, size);
    minidump_writer_patch_u32(w, entry + 8, off);
}

void minidump_writer_stream(struct minidump_writer *w, uint32_t type, uint32_t off)
{
    minidump_writer_entry(w, type, off, (uint32_t)w->bytes.count - off);
}

uint32_t minidump_writer_find(const struct minidump_writer *w, uint32_t type)
{
    for (uint32_t i = 0; i < w->entries_used; i++) {
        const uint8_t *entry = w->bytes.data + MINIDUMP_HEADER_SIZE + i * ENTRY_SIZE;
        if (load_u32(entry) == type) return load_u32(entry + 8);
    }
    return 0;
}

/* ---- streams ---- */

void minidump_writer_system_info(struct minidump_writer *w, uint16_t architecture, const char *service_pack)
{
    uint32_t pack = minidump_writer_string(w, service_pack);
    uint32_t off = minidump_writer_put(w, NULL, 56);

    memcpy(w->bytes.data + off, &architecture, 2);
    w->bytes.data[off + 6] = 8;
    minidump_writer_patch_u32(w, off + 8, 10);
    minidump_writer_patch_u32(w, off + 16, 20348);
    minidump_writer_patch_u32(w, off + 20, 2);
    minidump_writer_patch_u32(w, off + 24, pack);
    minidump_writer_stream(w, MINIDUMP_SYSTEM_INFO, off);
}

void minidump_writer_misc_info(struct minidump_writer *w, uint32_t size, uint32_t pid)
{
    static const char build[] = "20348.1.amd64fre";
    uint32_t off = minidump_writer_put(w, NULL, size);

    minidump_writer_patch_u32(w, off, size);
    minidump_writer_patch_u32(w, off + 4, size >= 832 ? 0x3ff : 0x3);
    minidump_writer_patch_u32(w, off + 8, pid);
    minidump_writer_patch_u32(w, off + 12, 1700000000);
    for (size_t i = 0; size >= 832 && build[i]; i++)
        w->bytes.data[off + 232 + 2 * i] = (uint8_t)build[i];
    minidump_writer_stream(w, MINIDUMP_MISC_INFO, off);
}

/* Every register tells its own number, so that a test sees which one it got. */
static uint32_t put_context_x64(struct minidump_writer *w, const struct writer_thread *thread)
{
    uint32_t off = minidump_writer_put(w, NULL, CONTEXT_X64_SIZE);

    minidump_writer_patch_u32(w, off + 0x30, CONTEXT_X64_FLAGS);
    for (uint32_t i = 0; i < 16; i++)
        minidump_writer_patch_u64(w, off + 0x78 + 8 * i, 0x1000 + i);
    minidump_writer_patch_u64(w, off + 0x98, thread->sp);
    minidump_writer_patch_u64(w, off + 0xf8, thread->ip);
    return off;
}

void minidump_writer_threads(struct minidump_writer *w, const struct writer_process *process)
{
    uint32_t off = minidump_writer_u32(w, (uint32_t)process->thread_count);
    uint32_t records = minidump_writer_put(w, NULL, process->thread_count * 48);

    minidump_writer_stream(w, MINIDUMP_THREAD_LIST, off);
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct writer_thread *thread = &process->threads[i];
        uint32_t record = records + (uint32_t)i * 48;
        minidump_writer_patch_u32(w, record, thread->id);
        minidump_writer_patch_u64(w, record + 16, thread->teb);
        minidump_writer_patch_u64(w, record + 24, thread->sp);
        minidump_writer_patch_u32(w, record + 32, 0x100);
        if (thread->no_context) continue;
        minidump_writer_patch_u32(w, record + 40, CONTEXT_X64_SIZE);
        minidump_writer_patch_u32(w, record + 44, put_context_x64(w, thread));
    }
}

static void put_thread_infos(struct minidump_writer *w, const struct writer_process *process)
{
    uint32_t off = minidump_writer_u32(w, 12);

    minidump_writer_u32(w, 64);
    minidump_writer_u32(w, (uint32_t)process->thread_count);
    for (size_t i = 0; i < process->thread_count; i++) {
        uint32_t record = minidump_writer_put(w, NULL, 64);
        minidump_writer_patch_u32(w, record, process->threads[i].id);
        minidump_writer_patch_u32(w, record + 4, process->threads[i].dump_flags);
        minidump_writer_patch_u64(w, record + 48, process->threads[i].ip);
    }
    minidump_writer_stream(w, MINIDUMP_THREAD_INFO_LIST, off);
}

static void put_thread_names(struct minidump_writer *w, const struct writer_process *process)
{
    uint32_t off = minidump_writer_u32(w, (uint32_t)process->thread_count);
    uint32_t records = minidump_writer_put(w, NULL, process->thread_count * 12);

    minidump_writer_stream(w, MINIDUMP_THREAD_NAMES, off);
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct writer_thread *thread = &process->threads[i];
        minidump_writer_patch_u32(w, records + (uint32_t)i * 12, thread->id);
        minidump_writer_patch_u64(w, records + (uint32_t)i * 12 + 4, minidump_writer_string(w, thread->name ? thread->name : ""));
    }
}

static uint32_t put_code_view(struct minidump_writer *w, const char *pdb)
{
    uint32_t off = minidump_writer_put(w, "RSDS", 4);

    for (int i = 0; i < 16; i++)
        minidump_writer_put(w, &(uint8_t) { (uint8_t)(0xa0 + i) }, 1);
    minidump_writer_u32(w, 1);
    minidump_writer_put(w, pdb, strlen(pdb) + 1);
    return off;
}

static void put_module(struct minidump_writer *w, uint32_t record, const struct writer_module *module, bool code_view)
{
    minidump_writer_patch_u64(w, record, module->base);
    minidump_writer_patch_u32(w, record + 8, module->size);
    minidump_writer_patch_u32(w, record + 12, 0xc5);
    minidump_writer_patch_u32(w, record + 16, module->timestamp);
    minidump_writer_patch_u32(w, record + 20, minidump_writer_string(w, module->path));
    if (module->version[0]) {
        minidump_writer_patch_u32(w, record + 24, 0xfeef04bd);
        minidump_writer_patch_u32(w, record + 32, (uint32_t)module->version[0] << 16 | module->version[1]);
        minidump_writer_patch_u32(w, record + 36, (uint32_t)module->version[2] << 16 | module->version[3]);
    }
    if (code_view && module->pdb) {
        uint32_t off = put_code_view(w, module->pdb);
        minidump_writer_patch_u32(w, record + 76, (uint32_t)w->bytes.count - off);
        minidump_writer_patch_u32(w, record + 80, off);
    }
}

void minidump_writer_modules(struct minidump_writer *w, const struct writer_process *process, bool code_view)
{
    uint32_t off = minidump_writer_u32(w, (uint32_t)process->module_count);
    uint32_t records = minidump_writer_put(w, NULL, process->module_count * 108);

    minidump_writer_stream(w, MINIDUMP_MODULE_LIST, off);
    for (size_t i = 0; i < process->module_count; i++)
        put_module(w, records + (uint32_t)i * 108, &process->modules[i], code_view);
}

void minidump_writer_regions(struct minidump_writer *w, const struct writer_process *process)
{
    uint32_t off = minidump_writer_u32(w, 16);

    minidump_writer_u32(w, 48);
    minidump_writer_u64(w, process->region_count);
    for (size_t i = 0; i < process->region_count; i++) {
        const struct writer_region *region = &process->regions[i];
        minidump_writer_u64(w, region->start);
        minidump_writer_u64(w, region->allocation_base);
        minidump_writer_u64(w, 0x4);
        minidump_writer_u64(w, region->size);
        minidump_writer_u32(w, region->state);
        minidump_writer_u32(w, region->protect);
        minidump_writer_u64(w, region->type);
    }
    minidump_writer_stream(w, MINIDUMP_MEMORY_INFO_LIST, off);
}

void minidump_writer_memory_list(struct minidump_writer *w, const struct writer_process *process)
{
    uint32_t off = minidump_writer_u32(w, (uint32_t)process->memory_count);
    uint32_t records = minidump_writer_put(w, NULL, process->memory_count * 16);

    minidump_writer_stream(w, MINIDUMP_MEMORY_LIST, off);
    for (size_t i = 0; i < process->memory_count; i++) {
        const struct writer_memory *memory = &process->memory[i];
        uint32_t record = records + (uint32_t)i * 16;
        uint32_t bytes = minidump_writer_put(w, memory->data, memory->size);
        minidump_writer_patch_u64(w, record, memory->start);
        minidump_writer_patch_u32(w, record + 8, (uint32_t)memory->size);
        minidump_writer_patch_u32(w, record + 12, bytes);
    }
}

void minidump_writer_memory64_list(struct minidump_writer *w, const struct writer_process *process)
{
    uint32_t off = minidump_writer_u64(w, process->memory_count);

    minidump_writer_u64(w, off + 16 + process->memory_count * 16);
    for (size_t i = 0; i < process->memory_count; i++) {
        minidump_writer_u64(w, process->memory[i].start);
        minidump_writer_u64(w, process->memory[i].size);
    }
    minidump_writer_stream(w, MINIDUMP_MEMORY64_LIST, off);
    for (size_t i = 0; i < process->memory_count; i++)
        minidump_writer_put(w, process->memory[i].data, process->memory[i].size);
}

static void put_handles(struct minidump_writer *w)
{
    uint32_t type = minidump_writer_string(w, "Event"), name = minidump_writer_string(w, "\\BaseNamedObjects\\x");
    uint32_t off = minidump_writer_u32(w, 16);

    minidump_writer_u32(w, 40);
    minidump_writer_u32(w, 2);
    minidump_writer_u32(w, 0);
    for (uint64_t handle = 4; handle <= 8; handle += 4) {
        minidump_writer_u64(w, handle);
        minidump_writer_u32(w, type);
        minidump_writer_u32(w, handle == 4 ? name : 0);
        minidump_writer_u32(w, 0);
        minidump_writer_u32(w, 0x1f0003);
        minidump_writer_u32(w, 2);
        minidump_writer_u32(w, 65537);
        minidump_writer_u64(w, 0);
    }
    minidump_writer_stream(w, MINIDUMP_HANDLE_DATA, off);
}

static void put_unloaded_modules(struct minidump_writer *w)
{
    uint32_t name = minidump_writer_string(w, "gone.dll");
    uint32_t off = minidump_writer_u32(w, 12);

    minidump_writer_u32(w, 24);
    minidump_writer_u32(w, 1);
    minidump_writer_u64(w, 0x7ff900000000);
    minidump_writer_u32(w, 0x5000);
    minidump_writer_u32(w, 0xc5);
    minidump_writer_u32(w, 0x60000000);
    minidump_writer_u32(w, name);
    minidump_writer_stream(w, MINIDUMP_UNLOADED_MODULE_LIST, off);
}

static void put_exception(struct minidump_writer *w, uint32_t thread_id)
{
    struct writer_thread thread = { .id = thread_id, .ip = 0xe1, .sp = 0xe2 };
    uint32_t context = put_context_x64(w, &thread);
    uint32_t off = minidump_writer_put(w, NULL, 168);

    minidump_writer_patch_u32(w, off, thread_id);
    minidump_writer_patch_u32(w, off + 8, 0xc0000005);
    minidump_writer_patch_u64(w, off + 24, 0xe1);
    minidump_writer_patch_u32(w, off + 32, 2);
    minidump_writer_patch_u64(w, off + 48, 0xdead);
    minidump_writer_patch_u32(w, off + 160, CONTEXT_X64_SIZE);
    minidump_writer_patch_u32(w, off + 164, context);
    minidump_writer_stream(w, MINIDUMP_EXCEPTION, off);
}

/* ---- whole dumps ---- */

static void put_memory(struct minidump_writer *w, const struct writer_process *process)
{
    if (process->flags & MINIDUMP_WITH_FULL_MEMORY)
        minidump_writer_memory64_list(w, process);
    else
        minidump_writer_memory_list(w, process);
}

void minidump_writer_dbgcore(struct minidump_writer *w, const struct writer_process *process)
{
    minidump_writer_init(w, 0xa043a793, process->flags, 17);
    minidump_writer_patch_u32(w, 20, process->timestamp);
    minidump_writer_system_info(w, process->architecture, "");
    minidump_writer_misc_info(w, 1364, process->pid);
    minidump_writer_threads(w, process);
    put_thread_infos(w, process);
    put_thread_names(w, process);
    minidump_writer_modules(w, process, true);
    put_unloaded_modules(w);
    put_handles(w);
    if (process->exception_thread) put_exception(w, process->exception_thread);
    if (process->region_count) minidump_writer_regions(w, process);
    put_memory(w, process);
}

void minidump_writer_wine(struct minidump_writer *w, const struct writer_process *process)
{
    minidump_writer_init(w, MINIDUMP_VERSION, process->flags, 8);
    minidump_writer_patch_u32(w, 20, process->timestamp);
    minidump_writer_system_info(w, process->architecture, "");
    minidump_writer_threads(w, process);
    minidump_writer_modules(w, process, false);
    minidump_writer_stream(w, 0xfff0, minidump_writer_string(w, "wine"));
    minidump_writer_misc_info(w, 24, process->pid);
    put_memory(w, process);
}
