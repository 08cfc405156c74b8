#include "heap/stack_words.h"

#include "target/stack.h"

enum { STACK_SIZE_MAX = 1 << 30, STACK_STEP = 4096 };

bool stack_words_init(struct stack_words *words, struct clr *clr, const struct heap_starts *starts)
{
    *words = (struct stack_words) { .clr = clr, .starts = starts };
    return reference_types_init(&words->types, clr);
}

void stack_words_deinit(struct stack_words *words)
{
    reference_types_deinit(&words->types);
}

bool stack_words_object(struct stack_words *words, uint64_t word, uint64_t *object_ret, bool *interior_ret)
{
    const struct heap_chunk *chunk = heap_chunk_at(words->starts, word);
    const struct reference_type *type;
    const uint8_t *bytes;
    uint64_t start;

    if (!chunk || !heap_starts_before(words->starts, word, &start)) return false;
    bytes = heap_chunk_bytes(chunk, start);
    type = reference_types_get(&words->types, load_u64(bytes) & ~UINT64_C(7));
    /* Into its data, not its header; room between objects holds nothing. */
    if (start != word && !(type && type->is_valid && type->mt_addr != words->types.free_mt && word >= start + 8 &&
                           word < start + reference_object_size(type, bytes) - 8))
        return false;
    *object_ret = start;
    *interior_ret = start != word;
    return true;
}

static struct error *add_word(struct stack_words *words, uint64_t word, struct root *root, struct roots *ret)
{
    uint32_t id;

    if (!stack_words_object(words, word, &root->object, &root->is_interior) || !heap_starts_id(words->starts, root->object, &id))
        return NULL;
    return vec_push(&ret->list, *root) ? NULL : &error_enomem;
}

static struct error *add_stack_words(struct stack_words *words, const struct dump_thread *thread, uint64_t start, uint64_t end,
                                     struct roots *ret)
{
    struct root root = { .kind = ROOT_STACK, .is_conservative = true, .os_id = thread->os_id };

    for (uint64_t at = start; at < end;) {
        uint64_t size;
        const uint8_t *bytes = memory_view(words->clr->memory, at, end - at, &size);

        if (!bytes || size < 8) {
            at = (at | (STACK_STEP - 1)) + 1;
            continue;
        }
        if (size > end - at) size = end - at;
        for (uint64_t off = 0; off + 8 <= size; off += 8) {
            root.addr = at + off;
            TRY(add_word(words, load_u64(bytes + off), &root, ret));
        }
        at += size & ~UINT64_C(7);
    }
    return NULL;
}

struct error *stack_words_add(struct stack_words *words, const struct dump_thread *thread, struct roots *ret)
{
    struct root root = { .kind = ROOT_STACK, .is_conservative = true, .os_id = thread->os_id };
    uint64_t start, end;

    for (unsigned i = 0; thread->has_registers && i < DUMP_REGISTER_COUNT; i++) {
        root.handle_kind = (uint8_t)i;
        TRY(add_word(words, thread->registers[i], &root, ret));
    }
    if (!thread->sp) return NULL;
    if (!target_stack(words->clr->target, thread, &start, &end)) {
        gaps_add(words->clr->gaps, "stack roots", thread->sp, 1, "where a thread's stack ends is not known");
        return NULL;
    }
    start = thread->sp & ~UINT64_C(7);
    if (end > start && end - start <= STACK_SIZE_MAX) return add_stack_words(words, thread, start, end, ret);
    return NULL;
}
