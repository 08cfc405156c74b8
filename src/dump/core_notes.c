#include "dump/core_notes.h"

#include <stdlib.h>
#include <string.h>

/* linux include/uapi/linux/elf.h, linux include/linux/elfcore.h */
enum { NT_PRSTATUS = 1, NT_PRPSINFO = 3, NT_AUXV = 6, NT_FILE = 0x46494c45, NT_ARM_TLS = 0x401 };
enum { PRSTATUS_PID = 32, PRSTATUS_REGISTERS = 112, PRSTATUS_TAIL = 8 };
enum {
    PRPSINFO_PID = 24,
    PRPSINFO_NAME = 40,
    PRPSINFO_NAME_SIZE = 16,
    PRPSINFO_ARGS = 56,
    PRPSINFO_ARGS_SIZE = 80,
    PRPSINFO_SIZE = 136
};
enum { PAGE = 4096, REGISTERS_MAX = 512, REGISTERS_X64 = 216, REGISTERS_ARM64 = 272 };

static bool is_arm64(const struct dump *dump)
{
    return dump->arch && !strcmp(dump->arch, "arm64");
}

static void write_process(const struct dump *dump, struct elf_write *core)
{
    uint8_t info[PRPSINFO_SIZE] = { 0 };
    const char *command = dump->command ? dump->command : "", *name = command;
    size_t length = strcspn(command, " ");
    /* As the process itself knows it, like the threads. */
    uint32_t pid = !strcmp(dump->format, "live") && dump->threads.count ? dump->threads.data[0].os_id : dump->pid;

    for (size_t i = 0; i < length; i++)
        if (command[i] == '/') name = command + i + 1;
    length -= (size_t)(name - command);
    if (length > PRPSINFO_NAME_SIZE - 1) length = PRPSINFO_NAME_SIZE - 1;
    memcpy(info + PRPSINFO_PID, &pid, 4);
    memcpy(info + PRPSINFO_NAME, name, length);
    length = strlen(command);
    memcpy(info + PRPSINFO_ARGS, command, length < PRPSINFO_ARGS_SIZE - 1 ? length : PRPSINFO_ARGS_SIZE - 1);
    elf_write_note(core, "CORE", NT_PRPSINFO, (struct span) { info, sizeof(info) });
}

static void write_thread(const struct dump *dump, const struct dump_thread *thread, struct elf_write *core)
{
    uint8_t status[PRSTATUS_REGISTERS + REGISTERS_MAX + PRSTATUS_TAIL] = { 0 };
    size_t size = is_arm64(dump) ? REGISTERS_ARM64 : REGISTERS_X64, raw = thread->raw_registers.size;

    memcpy(status + PRSTATUS_PID, &thread->os_id, 4);
    if (raw) memcpy(status + PRSTATUS_REGISTERS, thread->raw_registers.data, raw < size ? raw : size);
    elf_write_note(core, "CORE", NT_PRSTATUS, (struct span) { status, PRSTATUS_REGISTERS + size + PRSTATUS_TAIL });
    if (is_arm64(dump)) elf_write_note(core, "LINUX", NT_ARM_TLS, (struct span) { (const uint8_t *)&thread->tls_base, 8 });
}

static void append_u64(struct text *out, uint64_t value)
{
    text_append(out, (const char *)&value, 8);
}

static struct error *write_files(const struct dump *dump, struct elf_write *core)
{
    struct text table = { 0 };
    struct error *err = NULL;

    append_u64(&table, dump->file_maps.count);
    append_u64(&table, PAGE);
    for (size_t i = 0; i < dump->file_maps.count; i++) {
        append_u64(&table, dump->file_maps.data[i].start);
        append_u64(&table, dump->file_maps.data[i].end);
        append_u64(&table, dump->file_maps.data[i].file_off / PAGE);
    }
    for (size_t i = 0; i < dump->file_maps.count; i++)
        text_append(&table, dump->file_maps.data[i].path, strlen(dump->file_maps.data[i].path) + 1);
    if (table.failed || table.length > UINT32_MAX)
        err = &error_enomem;
    else
        elf_write_note(core, "CORE", NT_FILE, (struct span) { (const uint8_t *)table.data, table.length });
    text_deinit(&table);
    return err;
}

/* gdb takes the first thread for the one to look at, and the name for the program's. */
static struct error *write_made(const struct dump *dump, struct elf_write *core)
{
    write_process(dump, core);
    if (dump->auxv.size) elf_write_note(core, "CORE", NT_AUXV, dump->auxv);
    TRY(write_files(dump, core));
    for (size_t i = 0; i < dump->threads.count; i++)
        write_thread(dump, &dump->threads.data[i], core);
    return NULL;
}

/* As they were, but for our own. */
static void write_copied(const struct dump *dump, struct elf_write *core)
{
    for (size_t i = 0; i < dump->notes.count; i++) {
        struct elf_notes iter;
        struct elf_note note;
        elf_notes_begin(&iter, dump->notes.data[i], 4);
        while (elf_notes_next(&iter, &note)) {
            char owner[64];
            if (note.name.size >= sizeof(owner)) continue;
            if (note.name.size) memcpy(owner, note.name.data, note.name.size);
            owner[note.name.size] = 0;
            if (strcmp(owner, CORE_NOTE_OWNER) != 0) elf_write_note(core, owner, note.type, note.desc);
        }
    }
}

static void write_own(const struct dump *dump, const char *kind, uint64_t left_out_size, struct elf_write *core)
{
    struct text own = { 0 };

    if (kind) text_printf(&own, "kind %s\n", kind);
    if (dump->time) text_printf(&own, "time %llu\n", (unsigned long long)dump->time);
    if (left_out_size + dump->left_out_size)
        text_printf(&own, "left-out %llu\n", (unsigned long long)(left_out_size + dump->left_out_size));
    for (size_t i = 0; i < dump->threads.count; i++) {
        const struct dump_thread *thread = &dump->threads.data[i];
        if (thread->name) text_printf(&own, "thread %u %.*s\n", thread->os_id, (int)strcspn(thread->name, "\n"), thread->name);
    }
    elf_write_note(core, CORE_NOTE_OWNER, CORE_NOTE_TYPE, (struct span) { (const uint8_t *)text_cstr(&own), own.length });
    if (own.failed) core->notes.failed = true;
    text_deinit(&own);
}

struct error *core_notes_write(const struct dump *dump, const char *kind, uint64_t left_out_size, struct elf_write *core)
{
    if (dump->notes.count)
        write_copied(dump, core);
    else
        TRY(write_made(dump, core));
    write_own(dump, kind, left_out_size, core);
    return core->notes.failed ? &error_enomem : NULL;
}

/* ---- reading our own ---- */

static bool next_line(struct span *text, struct span *line)
{
    const uint8_t *end = text->size ? memchr(text->data, '\n', text->size) : NULL;

    if (!end) return false;
    *line = (struct span) { text->data, (size_t)(end - text->data) };
    *text = span_from(*text, line->size + 1);
    return true;
}

static bool take_word(struct span *line, const char *word)
{
    size_t length = strlen(word);

    if (line->size <= length || memcmp(line->data, word, length) != 0 || line->data[length] != ' ') return false;
    *line = span_from(*line, length + 1);
    return true;
}

/* Takes a decimal number of at most 19 digits from the front. */
static uint64_t take_number(struct span *line)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < line->size && i < 19 && line->data[i] >= '0' && line->data[i] <= '9'; i++)
        value = value * 10 + (line->data[i] - '0');
    *line = span_from(*line, i);
    return value;
}

/* Only words that we write: the kind is printed as it is, and decides things. */
static const char *known_kind(struct span word)
{
    static const char *const kinds[] = { "full", "heap", "mini", "triage", "gcore", "kernel" };

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (word.size == strlen(kinds[i]) && !memcmp(word.data, kinds[i], word.size)) return kinds[i];
    return NULL;
}

void core_note_read(struct dump *dump, struct span text)
{
    struct span line;

    dump->own_note = text;
    while (next_line(&text, &line)) {
        if (take_word(&line, "kind"))
            dump->told_kind = known_kind(line);
        else if (take_word(&line, "time"))
            dump->time = take_number(&line);
        else if (take_word(&line, "left-out"))
            dump->left_out_size = take_number(&line);
    }
}

void core_note_name_threads(struct dump *dump, struct span text)
{
    struct span line;
    size_t i = 0;

    while (next_line(&text, &line)) {
        uint64_t id;
        if (!take_word(&line, "thread")) continue;
        id = take_number(&line);
        /* Both are in the same order, unless a thread had no name. */
        while (i < dump->threads.count && dump->threads.data[i].os_id != id)
            i++;
        if (i == dump->threads.count) return;
        if (line.size > 1) dump->threads.data[i].name = arena_strndup(&dump->arena, (const char *)line.data + 1, line.size - 1);
    }
}
