#include "target/environment.h"

#include <string.h>

#include "base/span.h"

enum {
    VARIABLES_MAX = 1 << 16,
    STRING_MAX = 128 << 10,  /* MAX_ARG_STRLEN, linux/binfmts.h */
    STRINGS_MAX = 16 << 20,  /* bytes in all */
    VECTOR_LOOK = 256 << 10, /* how far below the strings the vectors may begin */
};

static bool add_string(struct environment *environment, const struct text *text)
{
    const char *copy = text->failed ? NULL : arena_strndup(&environment->arena, text_cstr(text), text->length);

    return copy && vec_push(&environment->list, copy);
}

/* ---- Linux ---- */

static uint64_t auxiliary_value(const struct dump *dump, uint64_t type)
{
    for (uint64_t off = 0; span_holds(dump->auxv, off, 16); off += 16)
        if (load_u64(dump->auxv.data + off) == type) return load_u64(dump->auxv.data + off + 8);
    return 0;
}

/* Where the auxiliary vector lies on the stack: the bytes of the note again, not far below the random bytes. 0: not found. */
static uint64_t auxiliary_vector(const struct target *target)
{
    enum { AT_RANDOM_ = 25, COMPARED = 64 };
    uint64_t top = auxiliary_value(target->dump, AT_RANDOM_) & ~UINT64_C(7);
    uint8_t bytes[COMPARED];

    if (!top || target->dump->auxv.size < COMPARED) return 0;
    for (uint64_t at = top; at > 8 && top - at < VECTOR_LOOK; at -= 8) {
        uint64_t word;

        if (!memory_try_u64(&target->memory, at - 8, &word)) return 0;
        if (word != load_u64(target->dump->auxv.data)) continue;
        if (memory_try_read(&target->memory, at - 8, bytes, COMPARED) && !memcmp(bytes, target->dump->auxv.data, COMPARED))
            return at - 8;
    }
    return 0;
}

static bool read_linux(const struct target *target, struct environment *ret)
{
    uint64_t vector = auxiliary_vector(target), at, pointer, bytes = 0;
    struct text text;
    bool done = true;

    if (!vector || vector < 16) return true;
    /* Backwards from the NULL behind the last pointer to the one in front of the first. */
    if (!memory_try_u64(&target->memory, vector - 8, &pointer) || pointer) return true;
    for (at = vector - 16; at >= 8 && (vector - at) / 8 < VARIABLES_MAX; at -= 8)
        if (!memory_try_u64(&target->memory, at, &pointer) || !pointer) break;
    if (at < 8 || pointer) return true;
    ret->found = true;
    text_init(&text);
    for (at += 8; done && at < vector - 8 && bytes < STRINGS_MAX; at += 8) {
        text_clear(&text);
        if (!memory_try_u64(&target->memory, at, &pointer) || !memory_try_cstr(&target->memory, pointer, STRING_MAX, &text))
            continue;
        bytes += text.length + 1;
        done = add_string(ret, &text);
    }
    text_deinit(&text);
    return done;
}

/* ---- Windows ---- */

/* Source: winternl.h, TEB and PEB; RTL_USER_PROCESS_PARAMETERS of x64, unchanged since Vista. */
static uint64_t windows_block(const struct target *target)
{
    enum { TEB_PEB = 0x60, PEB_PARAMETERS = 0x20, PARAMETERS_ENVIRONMENT = 0x80 };
    uint64_t peb, parameters, block;

    for (size_t i = 0; i < target->dump->threads.count; i++) {
        uint64_t teb = target->dump->threads.data[i].tls_base;

        if (teb && memory_try_u64(&target->memory, teb + TEB_PEB, &peb) && peb &&
            memory_try_u64(&target->memory, peb + PEB_PARAMETERS, &parameters) && parameters &&
            memory_try_u64(&target->memory, parameters + PARAMETERS_ENVIRONMENT, &block))
            return block;
    }
    return 0;
}

static bool read_windows(const struct target *target, struct environment *ret)
{
    uint64_t at = windows_block(target), bytes = 0;
    struct text text;
    bool done = true;

    text_init(&text);
    while (done && at && bytes < STRINGS_MAX && ret->list.count < VARIABLES_MAX) {
        uint16_t units[512], unit = 0;
        size_t count = 0;

        text_clear(&text);
        while (memory_try_u16(&target->memory, at, &unit) && unit && text.length < STRING_MAX) {
            units[count++] = unit;
            at += 2;
            if (count < ARRAY_LENGTH(units)) continue;
            text_append_utf16(&text, units, count);
            count = 0;
        }
        text_append_utf16(&text, units, count);
        at += 2;
        if (!text.length || unit) break;
        bytes += text.length;
        ret->found = true;
        done = add_string(ret, &text);
    }
    text_deinit(&text);
    return done;
}

struct error *environment_init(const struct target *target, struct environment *ret)
{
    *ret = (struct environment) { 0 };
    arena_init(&ret->arena);
    if (target->is_windows ? read_windows(target, ret) : read_linux(target, ret)) return NULL;
    environment_deinit(ret);
    return &error_enomem;
}

void environment_deinit(struct environment *environment)
{
    vec_deinit(&environment->list);
    arena_deinit(&environment->arena);
}

const char *environment_get(const struct environment *environment, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < environment->list.count; i++)
        if (!strncmp(environment->list.data[i], name, length) && environment->list.data[i][length] == '=')
            return environment->list.data[i] + length + 1;
    return NULL;
}
