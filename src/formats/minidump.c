#include "formats/minidump.h"

#include <assert.h>

enum {
    DIRECTORY_ENTRY_SIZE = 12,
    CODE_VIEW_RSDS = 0x53445352, /* "RSDS" */
    CODE_VIEW_ELF = 0x4270454c,  /* "LEpB": breakpad's MDCVInfoELF */
    FIXED_FILE_INFO = 0xfeef04bd,
    MISC_PROCESS_ID = 0x1,
    MISC_PROCESS_TIMES = 0x2,
    MISC_BUILD_STRING = 0x100,
    MISC_BUILD_STRING_OFF = 232,
    MISC_BUILD_STRING_SIZE = 520, /* MAX_PATH units */
};

bool minidump_bytes(const struct minidump *md, uint64_t off, uint64_t size, struct span *ret)
{
    if (!span_holds(md->bytes, off, size)) return false;
    if (size && md->ensure && !md->ensure(md->user, off, size)) return false;
    return span_slice(md->bytes, off, size, ret);
}

bool minidump_string(const struct minidump *md, uint64_t off, uint64_t limit, struct span *ret)
{
    struct span head;
    uint64_t size;

    if (!off || !minidump_bytes(md, off, 4, &head)) return false;
    size = load_u32(head.data) & ~UINT32_C(1);
    if (size / 2 > limit) size = limit * 2;
    return minidump_bytes(md, off + 4, size, ret);
}

/* ---- header and directory ---- */

bool minidump_probe(struct span bytes)
{
    uint32_t signature;

    return span_u32(bytes, 0, &signature) && signature == MINIDUMP_SIGNATURE;
}

static void directory_entry(struct minidump *md, const uint8_t *entry)
{
    uint32_t type = load_u32(entry);
    uint64_t size = load_u32(entry + 4), off = load_u32(entry + 8);
    bool clipped = !span_holds(md->bytes, off, size);

    /* Type 0 is an unused entry, of which dbgcore leaves several; types that we do not know are other programs' own. */
    if (!type || type >= MINIDUMP_STREAM_COUNT || !size || md->streams[type].size) return;
    if (clipped) {
        md->clipped_mask |= UINT32_C(1) << type;
        size = span_from(md->bytes, off).size;
    }
    md->streams[type] = (struct minidump_location) { off, size };
}

static void directory_read(struct minidump *md, uint64_t off)
{
    uint64_t room = span_from(md->bytes, off).size / DIRECTORY_ENTRY_SIZE;
    uint64_t count = md->stream_count < room ? md->stream_count : room;
    struct span directory;

    if (count > MINIDUMP_DIRECTORY_LIMIT) count = MINIDUMP_DIRECTORY_LIMIT;
    if (!minidump_bytes(md, off, count * DIRECTORY_ENTRY_SIZE, &directory)) return;
    md->entry_count = (uint32_t)count;
    for (uint64_t i = 0; i < count; i++)
        directory_entry(md, directory.data + i * DIRECTORY_ENTRY_SIZE);
}

static bool any_stream(const struct minidump *md)
{
    for (int type = 0; type < MINIDUMP_STREAM_COUNT; type++)
        if (md->streams[type].size) return true;
    return false;
}

struct error *minidump_parse(struct span bytes, bool (*ensure)(void *user, uint64_t off, uint64_t size), void *user,
                             struct minidump *ret)
{
    struct minidump md = { .bytes = bytes, .ensure = ensure, .user = user };
    struct span header;

    if (!minidump_bytes(&md, 0, MINIDUMP_HEADER_SIZE, &header))
        return error_create(ERROR_BAD_DATA, "minidump header is cut: %zu of %d bytes", bytes.size, MINIDUMP_HEADER_SIZE);
    if (!minidump_probe(header)) return error_create(ERROR_BAD_DATA, "not a minidump: no MDMP signature");
    md.version = load_u32(header.data + 4);
    md.stream_count = load_u32(header.data + 8);
    md.timestamp = load_u32(header.data + 20);
    md.flags = load_u64(header.data + 24);
    directory_read(&md, load_u32(header.data + 12));
    if (!any_stream(&md))
        return error_create(ERROR_BAD_DATA, "minidump has no readable stream: %u of %u directory entries are in the file",
                            md.entry_count, md.stream_count);
    *ret = md;
    return NULL;
}

/* ---- lists ---- */

/*
 * Older lists start with a count; newer ones say their own header and record size first, so that records can grow.
 * `entry_size` is the least that our decoders read, and for older lists the exact one.
 */
struct list_shape {
    uint8_t header_size, entry_size;
    uint8_t count_off, count_size;
    bool sized;
};

static const struct list_shape list_shapes[MINIDUMP_STREAM_COUNT] = {
    [MINIDUMP_THREAD_LIST] = { .header_size = 4, .entry_size = 48, .count_off = 0, .count_size = 4 },
    [MINIDUMP_MODULE_LIST] = { .header_size = 4, .entry_size = 108, .count_off = 0, .count_size = 4 },
    [MINIDUMP_MEMORY_LIST] = { .header_size = 4, .entry_size = 16, .count_off = 0, .count_size = 4 },
    [MINIDUMP_MEMORY64_LIST] = { .header_size = 16, .entry_size = 16, .count_off = 0, .count_size = 8 },
    [MINIDUMP_HANDLE_DATA] = { .header_size = 12, .entry_size = 32, .count_off = 8, .count_size = 4, .sized = true },
    [MINIDUMP_UNLOADED_MODULE_LIST] = { .header_size = 12, .entry_size = 24, .count_off = 8, .count_size = 4, .sized = true },
    [MINIDUMP_MEMORY_INFO_LIST] = { .header_size = 16, .entry_size = 48, .count_off = 8, .count_size = 8, .sized = true },
    [MINIDUMP_THREAD_INFO_LIST] = { .header_size = 12, .entry_size = 64, .count_off = 8, .count_size = 4, .sized = true },
    [MINIDUMP_THREAD_NAMES] = { .header_size = 4, .entry_size = 12, .count_off = 0, .count_size = 4 },
};

/* Some writers (breakpad) pad the count to 8 bytes; only the stream's size tells. `promised` is at most 32 bits wide here. */
static bool list_is_padded(const struct list_shape *shape, uint64_t promised, uint64_t size)
{
    return shape->header_size == 4 && size == 8 + promised * shape->entry_size;
}

bool minidump_list(const struct minidump *md, enum minidump_stream type, struct minidump_list *ret)
{
    const struct list_shape *shape = &list_shapes[type];
    struct minidump_location at = md->streams[type];
    uint64_t header_size = shape->header_size, entry_size = shape->entry_size, promised;
    struct span stream, entries;

    if (!shape->header_size || at.size < header_size || !minidump_bytes(md, at.off, at.size, &stream)) return false;
    promised = shape->count_size == 8 ? load_u64(stream.data + shape->count_off) : load_u32(stream.data + shape->count_off);
    if (shape->sized) {
        header_size = load_u32(stream.data);
        entry_size = load_u32(stream.data + 4);
        if (header_size < shape->header_size || entry_size < shape->entry_size) return false;
    } else if (list_is_padded(shape, promised, at.size)) {
        header_size = 8;
    }
    entries = span_from(stream, header_size);
    *ret = (struct minidump_list) { .entries = entries, .entry_size = entry_size, .promised = promised };
    ret->count = promised < entries.size / entry_size ? promised : entries.size / entry_size;
    if (type == MINIDUMP_MEMORY64_LIST) ret->base_off = load_u64(stream.data + 8);
    return true;
}

static const uint8_t *list_entry(const struct minidump_list *list, uint64_t i)
{
    assert(i < list->count);
    return list->entries.data + i * list->entry_size;
}

static struct minidump_location location(const uint8_t *p)
{
    return (struct minidump_location) { .size = load_u32(p), .off = load_u32(p + 4) };
}

static struct minidump_memory memory_descriptor(const uint8_t *p)
{
    return (struct minidump_memory) { .start = load_u64(p), .size = load_u32(p + 8), .off = load_u32(p + 12) };
}

struct minidump_thread minidump_thread(const struct minidump_list *list, uint64_t i)
{
    const uint8_t *p = list_entry(list, i);

    return (struct minidump_thread) {
        .id = load_u32(p), .teb = load_u64(p + 16), .stack = memory_descriptor(p + 24), .context = location(p + 40)
    };
}

struct minidump_thread_info minidump_thread_info(const struct minidump_list *list, uint64_t i)
{
    const uint8_t *p = list_entry(list, i);

    return (struct minidump_thread_info) {
        .id = load_u32(p),
        .dump_flags = load_u32(p + 4),
        .exit_status = load_u32(p + 12),
        .create_time = load_u64(p + 16),
        .exit_time = load_u64(p + 24),
        .kernel_time = load_u64(p + 32),
        .user_time = load_u64(p + 40),
        .start_addr = load_u64(p + 48),
    };
}

struct minidump_thread_name minidump_thread_name(const struct minidump_list *list, uint64_t i)
{
    const uint8_t *p = list_entry(list, i);

    return (struct minidump_thread_name) { .id = load_u32(p), .name_off = load_u64(p + 4) };
}

struct minidump_module minidump_module(const struct minidump_list *list, uint64_t i)
{
    const uint8_t *p = list_entry(list, i);

    return (struct minidump_module) {
        .base = load_u64(p),
        .size = load_u32(p + 8),
        .checksum = load_u32(p + 12),
        .timestamp = load_u32(p + 16),
        .name_off = load_u32(p + 20),
        .has_version = load_u32(p + 24) == FIXED_FILE_INFO,
        .version = { load_u16(p + 34), load_u16(p + 32), load_u16(p + 38), load_u16(p + 36) },
        .code_view = location(p + 76),
    };
}

struct minidump_unloaded_module minidump_unloaded_module(const struct minidump_list *list, uint64_t i)
{
    const uint8_t *p = list_entry(list, i);

    return (struct minidump_unloaded_module) {
        .base = load_u64(p),
        .size = load_u32(p + 8),
        .checksum = load_u32(p + 12),
        .timestamp = load_u32(p + 16),
        .name_off = load_u32(p + 20),
    };
}

struct minidump_memory_info minidump_memory_info(const struct minidump_list *list, uint64_t i)
{
    const uint8_t *p = list_entry(list, i);

    return (struct minidump_memory_info) {
        .base = load_u64(p),
        .allocation_base = load_u64(p + 8),
        .allocation_protect = load_u32(p + 16),
        .size = load_u64(p + 24),
        .state = load_u32(p + 32),
        .protect = load_u32(p + 36),
        .type = load_u32(p + 40),
    };
}

struct minidump_handle minidump_handle(const struct minidump_list *list, uint64_t i)
{
    const uint8_t *p = list_entry(list, i);

    return (struct minidump_handle) {
        .handle = load_u64(p),
        .type_name_off = load_u32(p + 8),
        .object_name_off = load_u32(p + 12),
        .attributes = load_u32(p + 16),
        .granted_access = load_u32(p + 20),
        .handle_count = load_u32(p + 24),
        .pointer_count = load_u32(p + 28),
    };
}

/* ---- memory ---- */

static void memory_list_begin(struct minidump_memory_iter *iter, enum minidump_stream type)
{
    iter->type = type;
    iter->i = 0;
    if (!minidump_list(iter->md, type, &iter->list)) iter->list = (struct minidump_list) { 0 };
    iter->off = iter->list.base_off;
}

void minidump_memory_begin(struct minidump_memory_iter *iter, const struct minidump *md)
{
    iter->md = md;
    memory_list_begin(iter, MINIDUMP_MEMORY64_LIST);
}

static struct minidump_memory memory64_next(struct minidump_memory_iter *iter)
{
    const uint8_t *p = list_entry(&iter->list, iter->i);
    struct minidump_memory memory = { .start = load_u64(p), .size = load_u64(p + 8), .off = iter->off };

    /* The bytes of all ranges follow each other, so a size that lies takes those behind it away, not further. */
    if (__builtin_add_overflow(iter->off, memory.size, &iter->off)) iter->off = UINT64_MAX;
    return memory;
}

bool minidump_memory_next(struct minidump_memory_iter *iter, struct minidump_memory *ret)
{
    while (iter->i >= iter->list.count) {
        if (iter->type == MINIDUMP_THREAD_LIST) return false;
        memory_list_begin(iter, iter->type == MINIDUMP_MEMORY64_LIST ? MINIDUMP_MEMORY_LIST : MINIDUMP_THREAD_LIST);
    }
    if (iter->type == MINIDUMP_MEMORY64_LIST)
        *ret = memory64_next(iter);
    else if (iter->type == MINIDUMP_MEMORY_LIST)
        *ret = memory_descriptor(list_entry(&iter->list, iter->i));
    else
        *ret = minidump_thread(&iter->list, iter->i).stack;
    if (iter->type == MINIDUMP_THREAD_LIST && !ret->off) ret->size = 0;
    iter->i++;
    return true;
}

/* ---- single records ---- */

/* The stream's bytes when it has at least `size`. */
static bool stream_bytes(const struct minidump *md, enum minidump_stream type, uint64_t size, struct span *ret)
{
    struct minidump_location at = md->streams[type];

    return at.size >= size && minidump_bytes(md, at.off, at.size, ret);
}

bool minidump_system_info(const struct minidump *md, struct minidump_system_info *ret)
{
    struct span s;

    if (!stream_bytes(md, MINIDUMP_SYSTEM_INFO, 28, &s)) return false;
    *ret = (struct minidump_system_info) {
        .architecture = load_u16(s.data),
        .processor_count = s.data[6],
        .major = load_u32(s.data + 8),
        .minor = load_u32(s.data + 12),
        .build = load_u32(s.data + 16),
        .platform = load_u32(s.data + 20),
        .service_pack_off = load_u32(s.data + 24),
    };
    return true;
}

/* A member is valid when it lies in the stream and its flag is set: five sizes exist, from 24 to 1364 bytes. */
bool minidump_misc_info(const struct minidump *md, struct minidump_misc_info *ret)
{
    struct minidump_misc_info info = { 0 };
    struct span s;
    uint32_t flags;

    if (!stream_bytes(md, MINIDUMP_MISC_INFO, 12, &s)) return false;
    flags = load_u32(s.data + 4);
    info.has_pid = flags & MISC_PROCESS_ID;
    if (info.has_pid) info.pid = load_u32(s.data + 8);
    info.has_times = (flags & MISC_PROCESS_TIMES) && s.size >= 24;
    if (info.has_times) {
        info.create_time = load_u32(s.data + 12);
        info.user_time = load_u32(s.data + 16);
        info.kernel_time = load_u32(s.data + 20);
    }
    if ((flags & MISC_BUILD_STRING) && span_slice(s, MISC_BUILD_STRING_OFF, MISC_BUILD_STRING_SIZE, &info.build_string)) {
        uint64_t length = 0;
        while (length < MISC_BUILD_STRING_SIZE && load_u16(info.build_string.data + length))
            length += 2;
        info.build_string.size = length;
    }
    *ret = info;
    return true;
}

bool minidump_exception(const struct minidump *md, struct minidump_exception *ret)
{
    struct span s;
    uint32_t count;

    if (!stream_bytes(md, MINIDUMP_EXCEPTION, 168, &s)) return false;
    count = load_u32(s.data + 32);
    *ret = (struct minidump_exception) {
        .thread_id = load_u32(s.data),
        .code = load_u32(s.data + 8),
        .flags = load_u32(s.data + 12),
        .record_addr = load_u64(s.data + 16),
        .addr = load_u64(s.data + 24),
        .parameter_count = count < MINIDUMP_EXCEPTION_PARAMETERS ? count : MINIDUMP_EXCEPTION_PARAMETERS,
        .context = location(s.data + 160),
    };
    memcpy(ret->parameters, s.data + 40, sizeof(ret->parameters));
    return true;
}

/* The PDB path ends with a NUL, or with the record when that was cut. */
static struct span pdb_path(struct span record)
{
    struct span path = span_from(record, 24);
    const uint8_t *nul = path.size ? memchr(path.data, 0, path.size) : NULL;

    if (nul) path.size = (size_t)(nul - path.data);
    return path;
}

bool minidump_code_view(const struct minidump *md, struct minidump_location at, struct minidump_code_view *ret)
{
    struct minidump_code_view view = { 0 };
    struct span record;
    uint32_t signature;

    if (!at.off || !minidump_bytes(md, at.off, at.size, &record) || !span_u32(record, 0, &signature)) return false;
    if (signature == CODE_VIEW_RSDS && span_slice(record, 4, 20, &view.id))
        view.pdb_path = pdb_path(record);
    else if (signature == CODE_VIEW_ELF && record.size > 4)
        view.id = span_from(record, 4);
    else
        return false;
    *ret = view;
    return true;
}
