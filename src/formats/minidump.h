/*
 * Decoder of Windows minidumps: a header, a directory of streams, and records that name each other by file offset ("RVA").
 *
 *     +--------+-----------+----------------------------------------------+---------------------------+
 *     | header | directory | streams, strings, contexts, PDB records      | memory of the process     |
 *     +--------+-----------+----------------------------------------------+---------------------------+
 *               type, size, off          strings: u32 bytes, UTF-16         base_off of Memory64List
 *
 * Nothing is copied and nothing is allocated: a list is a pointer and a count that was checked against its stream, the stream
 * against the file. Offsets may point anywhere, at each other or at themselves; that is harmless, since no record is followed
 * further than to its strings. Records are packed to 4 bytes.
 * Source of all layouts: Windows SDK, minidumpapiset.h; what real writers do: Microsoft's dbgcore and wine's dbghelp.
 */
#ifndef CLRTRAIL_FORMATS_MINIDUMP_H
#define CLRTRAIL_FORMATS_MINIDUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"

enum {
    MINIDUMP_SIGNATURE = 0x504d444d, /* "MDMP" */
    MINIDUMP_VERSION = 0xa793,       /* low 16 bits; dbgcore puts a build number above it */
    MINIDUMP_HEADER_SIZE = 32,
    MINIDUMP_DIRECTORY_LIMIT = 4096, /* entries read; dbgcore writes 17 */
};

enum minidump_stream {
    MINIDUMP_THREAD_LIST = 3,
    MINIDUMP_MODULE_LIST = 4,
    MINIDUMP_MEMORY_LIST = 5,
    MINIDUMP_EXCEPTION = 6,
    MINIDUMP_SYSTEM_INFO = 7,
    MINIDUMP_MEMORY64_LIST = 9,
    MINIDUMP_HANDLE_DATA = 12,
    MINIDUMP_UNLOADED_MODULE_LIST = 14,
    MINIDUMP_MISC_INFO = 15,
    MINIDUMP_MEMORY_INFO_LIST = 16,
    MINIDUMP_THREAD_INFO_LIST = 17,
    MINIDUMP_THREAD_NAMES = 24,
    MINIDUMP_STREAM_COUNT,
};

/* MINIDUMP_TYPE bits of the header's flags that tell what was asked for. */
enum minidump_flag {
    MINIDUMP_WITH_FULL_MEMORY = 0x2,
    MINIDUMP_WITH_PRIVATE_READ_WRITE = 0x200,
    MINIDUMP_FILTER_TRIAGE = 0x100000,
};

/* [off, off + size) of the file, as the dump says: not checked. */
struct minidump_location {
    uint64_t off, size;
};

struct minidump {
    struct span bytes;
    /* Makes bytes [off, off + size) of `bytes` valid; NULL when all are. */
    bool (*ensure)(void *user, uint64_t off, uint64_t size);
    void *user;
    uint32_t version;
    uint32_t timestamp; /* seconds since 1970 */
    uint64_t flags;
    uint32_t stream_count; /* directory entries promised */
    uint32_t entry_count;  /* directory entries read */
    /* By type: the first one that is not empty, clipped to the file; size 0 when there is none. */
    struct minidump_location streams[MINIDUMP_STREAM_COUNT];
    uint32_t clipped_mask; /* bit per type: the file ends before the stream does */
};

bool minidump_probe(struct span bytes);
/*
 * Reads header and directory into `ret`; `ensure` may be NULL. All else is read on demand from `bytes`, which must outlive `ret`.
 * Errors: ERROR_BAD_DATA when there is no header, or no stream that lies in the file.
 */
struct error *minidump_parse(struct span bytes, bool (*ensure)(void *user, uint64_t off, uint64_t size), void *user,
                             struct minidump *ret);

/* Bytes [off, off + size), borrowed; false when they are not wholly in the file. */
bool minidump_bytes(const struct minidump *md, uint64_t off, uint64_t size, struct span *ret);
/* The UTF-16 text (no NUL) of the string at `off`, borrowed, of at most `limit` units; false when it is not in the file. */
bool minidump_string(const struct minidump *md, uint64_t off, uint64_t limit, struct span *ret);

/* The records of a list stream. */
struct minidump_list {
    struct span entries;
    uint64_t entry_size;
    uint64_t count;    /* records that are there */
    uint64_t promised; /* what the stream says; more than `count` when it lies or the file is cut */
    uint64_t base_off; /* MINIDUMP_MEMORY64_LIST: file offset of the first range's bytes */
};

/* False when there is no such stream, or its head makes no sense. */
bool minidump_list(const struct minidump *md, enum minidump_stream type, struct minidump_list *ret);

struct minidump_memory {
    uint64_t start, size; /* of the process */
    uint64_t off;         /* in the file */
};

struct minidump_thread {
    uint32_t id;
    uint64_t teb;
    struct minidump_memory stack; /* from the stack pointer up; off 0 when the bytes are in a Memory64List */
    struct minidump_location context;
};

enum { MINIDUMP_THREAD_EXITED = 4, MINIDUMP_THREAD_INVALID_CONTEXT = 0x10, MINIDUMP_THREAD_INVALID_TEB = 0x20 };

struct minidump_thread_info {
    uint32_t id;
    uint32_t dump_flags;
    uint32_t exit_status;
    uint64_t create_time, exit_time, kernel_time, user_time; /* 100 ns; the first two since 1601 */
    uint64_t start_addr;
};

struct minidump_thread_name {
    uint32_t id;
    uint64_t name_off;
};

struct minidump_module {
    uint64_t base;
    uint32_t size, checksum, timestamp;
    uint32_t name_off;
    bool has_version;
    uint16_t version[4]; /* VS_FIXEDFILEINFO's file version */
    struct minidump_location code_view;
};

struct minidump_unloaded_module {
    uint64_t base;
    uint32_t size, checksum, timestamp;
    uint32_t name_off;
};

/* One answer of VirtualQuery; state, protect and type are Windows' MEM_* and PAGE_* values. */
struct minidump_memory_info {
    uint64_t base, size;
    uint64_t allocation_base;
    uint32_t allocation_protect, state, protect, type;
};

struct minidump_handle {
    uint64_t handle;
    uint32_t type_name_off, object_name_off; /* 0 when unknown */
    uint32_t attributes, granted_access, handle_count, pointer_count;
};

/* The i-th record of a list of that type; i must be below `count`. */
struct minidump_thread minidump_thread(const struct minidump_list *list, uint64_t i);
struct minidump_thread_info minidump_thread_info(const struct minidump_list *list, uint64_t i);
struct minidump_thread_name minidump_thread_name(const struct minidump_list *list, uint64_t i);
struct minidump_module minidump_module(const struct minidump_list *list, uint64_t i);
struct minidump_unloaded_module minidump_unloaded_module(const struct minidump_list *list, uint64_t i);
struct minidump_memory_info minidump_memory_info(const struct minidump_list *list, uint64_t i);
struct minidump_handle minidump_handle(const struct minidump_list *list, uint64_t i);

/* Ranges of process memory in the order of the lists: Memory64List, MemoryList, stacks that only the ThreadList names. */
struct minidump_memory_iter {
    const struct minidump *md;
    struct minidump_list list;
    enum minidump_stream type; /* of the list that the last range came from */
    uint64_t i;
    uint64_t off; /* of the next range's bytes, Memory64List only */
};

void minidump_memory_begin(struct minidump_memory_iter *iter, const struct minidump *md);
/* False at the end. Sizes and offsets are as the dump says: not checked. */
bool minidump_memory_next(struct minidump_memory_iter *iter, struct minidump_memory *ret);

struct minidump_system_info {
    uint16_t architecture; /* PROCESSOR_ARCHITECTURE_*: 0 x86, 5 arm, 9 x64, 12 arm64 */
    uint8_t processor_count;
    uint32_t major, minor, build;
    uint32_t platform; /* 2 Windows NT; breakpad's values from 0x8000 on for others */
    uint32_t service_pack_off;
};

struct minidump_misc_info {
    bool has_pid, has_times;
    uint32_t pid;
    uint32_t create_time;            /* seconds since 1970 */
    uint32_t user_time, kernel_time; /* seconds */
    struct span build_string;        /* UTF-16; empty when unknown */
};

enum { MINIDUMP_EXCEPTION_PARAMETERS = 15 };

struct minidump_exception {
    uint32_t thread_id;
    uint32_t code, flags;
    uint64_t record_addr, addr;
    uint32_t parameter_count; /* at most MINIDUMP_EXCEPTION_PARAMETERS */
    uint64_t parameters[MINIDUMP_EXCEPTION_PARAMETERS];
    struct minidump_location context;
};

/* False when there is no such stream or it is too short to say anything. */
bool minidump_system_info(const struct minidump *md, struct minidump_system_info *ret);
bool minidump_misc_info(const struct minidump *md, struct minidump_misc_info *ret);
bool minidump_exception(const struct minidump *md, struct minidump_exception *ret);

/* What identifies a module's symbols: "RSDS" of Windows linkers, or the ELF build id that breakpad writes in its place. */
struct minidump_code_view {
    struct span id;       /* GUID and age (20 bytes), or the build id */
    struct span pdb_path; /* UTF-8 without NUL; empty when there is none */
};

bool minidump_code_view(const struct minidump *md, struct minidump_location at, struct minidump_code_view *ret);

#endif
