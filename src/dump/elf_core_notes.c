#include "dump/elf_core_notes.h"

#include "base/limits.h"
#include "dump/core_notes.h"

/* linux include/uapi/linux/elf.h */
enum note_type {
    NT_PRSTATUS = 1,
    NT_PRPSINFO = 3,
    NT_AUXV = 6,
    NT_ARM_TLS = 0x401,
    NT_FILE = 0x46494c45,
};

/* struct elf_prstatus and elf_prpsinfo of 64-bit Linux, the same on x64 and arm64 up to the registers (linux elfcore.h). */
enum {
    PRSTATUS_PID = 32,
    PRSTATUS_REGISTERS = 112,
    PRPSINFO_PID = 24,
    PRPSINFO_NAME = 40,
    PRPSINFO_NAME_SIZE = 16,
    PRPSINFO_ARGS = 56,
    PRPSINFO_ARGS_SIZE = 80,
};

/* Words of struct user_regs_struct (linux arch/x86/include/asm/user_64.h) and of arm64's struct user_pt_regs. */
enum { X64_RIP = 16, X64_RSP = 19, X64_FS_BASE = 21, X64_WORDS = 27, ARM64_SP = 31, ARM64_PC = 32, ARM64_WORDS = 34 };

/* For each of rax rcx rdx rbx rsp rbp rsi rdi r8..r15 rip its word in user_regs_struct. */
static const uint8_t x64_register_words[DUMP_REGISTER_COUNT] = { 10, 11, 12, 5, 19, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0, 16 };

static uint64_t word(struct span registers, unsigned i)
{
    return load_u64(registers.data + i * 8);
}

static void set_x64_registers(struct dump_thread *thread, struct span registers)
{
    for (unsigned i = 0; i < DUMP_REGISTER_COUNT; i++)
        thread->registers[i] = word(registers, x64_register_words[i]);
    thread->ip = word(registers, X64_RIP);
    thread->sp = word(registers, X64_RSP);
    thread->tls_base = word(registers, X64_FS_BASE);
    thread->has_registers = true;
}

bool dump_thread_set_registers(struct dump_thread *thread, struct span raw, uint16_t machine)
{
    if (machine == ELF_MACHINE_X64 && span_slice(raw, 0, X64_WORDS * 8, &thread->raw_registers)) {
        set_x64_registers(thread, thread->raw_registers);
        return true;
    }
    if (machine == ELF_MACHINE_ARM64 && span_slice(raw, 0, ARM64_WORDS * 8, &thread->raw_registers)) {
        thread->sp = word(thread->raw_registers, ARM64_SP);
        thread->ip = word(thread->raw_registers, ARM64_PC);
        return true;
    }
    return false;
}

static struct error *read_prstatus(struct dump *dump, struct span desc, uint16_t machine, struct gaps *gaps)
{
    struct dump_thread thread = { 0 };

    if (!span_u32(desc, PRSTATUS_PID, &thread.os_id)) {
        gaps_add(gaps, "thread", 0, 1, "its NT_PRSTATUS note has only %zu bytes", desc.size);
        return NULL;
    }
    if (!dump_thread_set_registers(&thread, span_from(desc, PRSTATUS_REGISTERS), machine))
        gaps_add(gaps, "thread registers", 0, 1, "NT_PRSTATUS of %zu bytes", desc.size);
    if (dump->threads.count >= LIMIT_THREADS) {
        gaps_add(gaps, "thread", 0, 1, "limit of %d threads", LIMIT_THREADS);
        return NULL;
    }
    return vec_push(&dump->threads, thread) ? NULL : &error_enomem;
}

static size_t text_length(const uint8_t *text, size_t size)
{
    const uint8_t *end = memchr(text, 0, size);

    return end ? (size_t)(end - text) : size;
}

/* The kernel pads arguments with spaces where they were separated by NULs; 80 bytes at most. */
static struct error *read_prpsinfo(struct dump *dump, struct span desc, struct gaps *gaps)
{
    const uint8_t *name = desc.data + PRPSINFO_NAME, *args = desc.data + PRPSINFO_ARGS;
    size_t length;

    if (desc.size < PRPSINFO_ARGS + PRPSINFO_ARGS_SIZE) {
        gaps_add(gaps, "process name", 0, 1, "NT_PRPSINFO of %zu bytes", desc.size);
        return NULL;
    }
    dump->pid = load_u32(desc.data + PRPSINFO_PID);
    length = text_length(args, PRPSINFO_ARGS_SIZE);
    while (length && args[length - 1] == ' ')
        length--;
    if (!length) {
        args = name;
        length = text_length(name, PRPSINFO_NAME_SIZE);
    }
    if (!length) return NULL;
    dump->command = arena_strndup(&dump->arena, (const char *)args, length);
    return dump->command ? NULL : &error_enomem;
}

/*
 * NT_FILE (linux fs/binfmt_elf.c, fill_files_note):
 *     u64 count | u64 page size | count x { u64 start, end, offset in pages } | count paths, NUL-terminated
 */
struct file_table {
    struct span entries;
    struct span paths; /* what is left of them */
    uint64_t count, page_size;
    const char *last_path; /* in the arena; a file's mappings follow each other */
};

enum { FILE_ENTRY_SIZE = 24, FILE_HEADER_SIZE = 16 };

static bool file_table_open(struct span desc, struct file_table *ret, struct gaps *gaps)
{
    struct file_table table = { 0 };
    uint64_t room;

    if (!span_u64(desc, 0, &table.count) || !span_u64(desc, 8, &table.page_size)) {
        gaps_add(gaps, "mapped files", 0, 1, "NT_FILE of %zu bytes", desc.size);
        return false;
    }
    room = (desc.size - FILE_HEADER_SIZE) / FILE_ENTRY_SIZE;
    if (table.count > room) {
        /* Where the names begin is lost with the count, so nothing of it can be used. */
        gaps_add(gaps, "mapped files", 0, table.count, "NT_FILE has %llu entries but room for %llu",
                 (unsigned long long)table.count, (unsigned long long)room);
        return false;
    }
    table.entries = span_from(desc, FILE_HEADER_SIZE);
    table.paths = span_from(table.entries, table.count * FILE_ENTRY_SIZE);
    *ret = table;
    return true;
}

static const char *next_path(struct dump *dump, struct file_table *table, bool *enomem_ret)
{
    const char *path;
    size_t length;

    if (!span_cstr(table->paths, 0, &path, &length)) return NULL;
    table->paths = span_from(table->paths, length + 1);
    if (table->last_path && strlen(table->last_path) == length && !memcmp(table->last_path, path, length)) return table->last_path;
    table->last_path = arena_strndup(&dump->arena, path, length);
    *enomem_ret = !table->last_path;
    return table->last_path;
}

static bool file_map_decode(const struct file_table *table, uint64_t i, struct dump_file_map *ret)
{
    const uint8_t *entry = table->entries.data + i * FILE_ENTRY_SIZE;

    ret->start = load_u64(entry);
    ret->end = load_u64(entry + 8);
    if (ret->start >= ret->end) return false;
    return !__builtin_mul_overflow(load_u64(entry + 16), table->page_size, &ret->file_off);
}

static struct error *read_files(struct dump *dump, struct span desc, struct gaps *gaps)
{
    struct file_table table;

    if (!file_table_open(desc, &table, gaps)) return NULL;
    for (uint64_t i = 0; i < table.count; i++) {
        struct dump_file_map map;
        bool enomem = false;
        map.path = next_path(dump, &table, &enomem);
        if (enomem) return &error_enomem;
        if (!map.path) {
            gaps_add(gaps, "mapped files", 0, table.count - i, "the names of NT_FILE end too early");
            break;
        }
        if (!file_map_decode(&table, i, &map)) {
            gaps_add(gaps, "mapped files", map.start, 1, "NT_FILE entry that makes no sense");
            continue;
        }
        if (!vec_push(&dump->file_maps, map)) return &error_enomem;
    }
    return NULL;
}

static void set_arm64_tls(struct dump *dump, struct span desc)
{
    if (dump->threads.count) span_u64(desc, 0, &dump->threads.data[dump->threads.count - 1].tls_base);
}

static bool is_from(const struct elf_note *note, const char *owner)
{
    return elf_note_is(note, owner, note->type);
}

/* An unknown note is no gap: kernels add them all the time. */
static struct error *read_note(struct dump *dump, const struct elf_note *note, uint16_t machine, struct elf_core_traces *traces,
                               struct gaps *gaps)
{
    if (elf_note_is(note, CORE_NOTE_OWNER, CORE_NOTE_TYPE)) core_note_read(dump, note->desc);
    if (is_from(note, "GDB")) traces->has_gdb_note = true;
    if (is_from(note, "LINUX")) traces->has_linux_note = true;
    if (elf_note_is(note, "LINUX", NT_ARM_TLS)) set_arm64_tls(dump, note->desc);
    if (!is_from(note, "CORE")) return NULL;
    switch (note->type) {
    case NT_PRSTATUS:
        return read_prstatus(dump, note->desc, machine, gaps);
    case NT_PRPSINFO:
        return read_prpsinfo(dump, note->desc, gaps);
    case NT_AUXV:
        dump->auxv = note->desc;
        return NULL;
    case NT_FILE:
        return read_files(dump, note->desc, gaps);
    default:
        return NULL;
    }
}

struct error *elf_core_read_notes(struct dump *dump, struct span notes, uint64_t align, uint16_t machine,
                                  struct elf_core_traces *traces, struct gaps *gaps)
{
    struct elf_notes iter;
    struct elf_note note;

    if (!vec_push(&dump->notes, notes)) return &error_enomem;
    elf_notes_begin(&iter, notes, align);
    while (elf_notes_next(&iter, &note)) {
        if (note.truncated) gaps_add(gaps, "notes of the core", 0, 1, "the last note is cut off after %zu bytes", note.desc.size);
        TRY(read_note(dump, &note, machine, traces, gaps));
    }
    return NULL;
}
