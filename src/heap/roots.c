#include "heap/roots.h"

#include <stdlib.h>
#include <string.h>

#include "clr/method_desc.h"
#include "clr/object.h"
#include "clr/stack_roots.h"
#include "heap/stack_words.h"
#include "target/images.h"

struct root_reader {
    struct clr *clr;
    const struct heap_starts *starts;
    struct roots *roots;
    struct clr_thread *threads;
    size_t thread_count;
    struct map thread_index; /* by the system's id */
    struct stack_words words;
};

void roots_deinit(struct roots *roots)
{
    vec_deinit(&roots->list);
}

const char *root_kind_name(const struct root *root)
{
    switch (root->kind) {
    case ROOT_STATIC:
        return "static";
    case ROOT_THREAD_STATIC:
        return "thread_static";
    case ROOT_HANDLE:
        return handle_kind_name(root->handle_kind);
    case ROOT_STACK:
        return root->is_conservative ? "stack (conservative)" : "stack";
    case ROOT_FINALIZER:
        return "finalizer";
    default:
        return "finalizer_queue";
    }
}

static void stack_name(struct clr *clr, const struct root *root, struct text *ret)
{
    struct clr_method method;
    static const char *const registers[DUMP_REGISTER_COUNT] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8",
                                                                "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip" };

    text_printf(ret, "thread %u", root->os_id);
    if (!root->addr && root->handle_kind < DUMP_REGISTER_COUNT) text_printf(ret, ", %s", registers[root->handle_kind]);
    if (root->is_pinned) text_puts(ret, ", pinned");
    if (root->is_interior) text_puts(ret, ", into the object");
    if (root->type_addr && clr_method_at(clr, root->type_addr, &method)) {
        text_puts(ret, ", ");
        clr_method_name(clr, &method, ret);
    }
}

void root_name(struct clr *clr, const struct root *root, struct text *ret)
{
    if (root->kind == ROOT_STACK) {
        stack_name(clr, root, ret);
        return;
    }
    if (root->field) {
        text_puts(ret, clr_type_name(clr, root->type_addr));
        text_printf(ret, ".%s", *root->field->name ? root->field->name : "?");
    }
    if (root->kind == ROOT_THREAD_STATIC) text_printf(ret, "%sthread %u", root->field ? ", " : "", root->os_id);
}

static struct error *add_root(struct root_reader *r, struct root root)
{
    uint32_t id;

    if (!heap_starts_id(r->starts, root.object, &id)) return NULL;
    return vec_push(&r->roots->list, root) ? NULL : &error_enomem;
}

/* A thread static's value in each thread that has one. */
static struct error *add_thread_static(struct root_reader *r, const struct clr_static_iterator *it, const struct clr_field *field)
{
    for (size_t i = 0; i < r->thread_count; i++) {
        struct root root = {
            .kind = ROOT_THREAD_STATIC, .field = field, .type_addr = it->type->mt_addr, .os_id = r->threads[i].os_id
        };
        struct clr_thread_locals locals;

        if (!clr_thread_locals_read(r->clr, &r->threads[i], &locals)) continue;
        root.addr = clr_thread_static_addr(r->clr, &locals, &it->statics, field);
        if (root.addr && memory_try_u64(r->clr->memory, root.addr, &root.object)) TRY(add_root(r, root));
    }
    return NULL;
}

static struct error *add_statics(struct root_reader *r, bool of_threads)
{
    struct clr_static_iterator it;
    const struct clr_field *field;

    TRY(clr_statics_begin(r->clr, &it));
    while (clr_statics_next(&it, &field)) {
        struct root root = { .kind = ROOT_STATIC, .field = field, .type_addr = it.type->mt_addr };

        if (field->is_rva || (field->element_type != ELEMENT_CLASS && field->element_type != ELEMENT_VALUETYPE)) continue;
        if (field->is_thread_static != of_threads) continue;
        if (of_threads) {
            TRY(add_thread_static(r, &it, field));
            continue;
        }
        root.addr = clr_static_addr(r->clr, &it.statics, field);
        if (root.addr && memory_try_u64(r->clr->memory, root.addr, &root.object)) TRY(add_root(r, root));
    }
    return NULL;
}

static struct error *add_handles(struct root_reader *r, const struct handle_table *handles)
{
    for (size_t i = 0; handles && i < handles->list.count; i++) {
        const struct clr_handle *handle = &handles->list.data[i];
        struct root root = { .kind = ROOT_HANDLE, .addr = handle->addr, .object = handle->object, .handle_kind = handle->kind };

        if (handle_kind_is_strong(handle->kind)) TRY(add_root(r, root));
    }
    return NULL;
}

/* What holds a thread's statics: the array, the objects of its list of handles, and those still being made. */
static struct error *add_thread_holders(struct root_reader *r, const struct clr_thread *thread)
{
    struct root root = { .kind = ROOT_THREAD_STATIC, .os_id = thread->os_id };
    struct clr_thread_locals locals;
    uint64_t handle, flight;

    if (!clr_thread_locals_read(r->clr, thread, &locals)) return NULL;
    root.object = locals.array_addr;
    TRY(add_root(r, root));
    for (uint32_t i = 0; locals.handles_addr && i < locals.handle_count; i++) {
        root.addr = locals.handles_addr + 8ull * i;
        if (!memory_try_u64(r->clr->memory, root.addr, &handle)) break;
        if (handle && memory_try_u64(r->clr->memory, handle, &root.object)) TRY(add_root(r, root));
    }
    if (!clr_try_u64(r->clr, locals.data_addr, FIELD_ThreadLocalData_InFlightData, &flight)) return NULL;
    for (unsigned i = 0; flight && i < 1024; i++) {
        root.addr = flight;
        if (clr_try_u64(r->clr, flight, FIELD_InFlightTLSData_TLSData, &handle) && handle &&
            memory_try_u64(r->clr->memory, handle, &root.object))
            TRY(add_root(r, root));
        if (!clr_try_u64(r->clr, flight, FIELD_InFlightTLSData_Next, &flight)) break;
    }
    return NULL;
}

/* What the GC would find, when the whole stack can be walked; false in *whole_ret when it cannot. */
static struct error *add_precise(struct root_reader *r, const struct clr_thread *thread, const struct dump_thread *native,
                                 bool *whole_ret)
{
    struct stack_roots found;
    struct stack stack;
    struct error *err;

    /* Without the files that the code came from, a stack is searched word by word: more roots, none less. */
    images_probe_begin();
    err = stack_walk(r->clr, thread, native, &stack);
    if (!err) {
        err = stack_roots_find(r->clr, thread, &stack, &found);
        if (err) stack_deinit(&stack);
    }
    images_probe_end();
    if (err) return err;
    *whole_ret = !found.broken;
    for (size_t i = 0; *whole_ret && !err && i < found.list.count; i++) {
        const struct stack_root *at = &found.list.data[i];
        struct root root = { .kind = ROOT_STACK, .addr = at->addr, .os_id = thread->os_id, .handle_kind = at->reg };

        if (!stack_words_object(&r->words, at->value, &root.object, &root.is_interior)) continue;
        if (root.is_interior && at->is_certain && !at->is_interior) continue;
        root.is_conservative = !at->is_certain;
        root.is_pinned = at->is_pinned;
        if (at->frame != STACK_ROOT_NO_FRAME) root.type_addr = stack.frames.data[at->frame].method_desc_addr;
        err = add_root(r, root);
    }
    stack_roots_deinit(&found);
    stack_deinit(&stack);
    return err;
}

/* The managed thread of a thread of the dump, NULL when it is none of the runtime's. */
static const struct clr_thread *managed_thread(const struct root_reader *r, const struct dump_thread *native)
{
    uint64_t index;

    return map_get(&r->thread_index, native->os_id, &index) ? &r->threads[index] : NULL;
}

static struct error *add_stack(struct root_reader *r, const struct dump_thread *native)
{
    const struct clr_thread *thread = managed_thread(r, native);
    bool whole = false;

    if (thread && native->has_registers) TRY(add_precise(r, thread, native, &whole));
    return whole ? NULL : stack_words_add(&r->words, native, r->roots);
}

static struct error *add_finalizables(struct root_reader *r, const struct finalizables *finalizables, bool f_reachable)
{
    for (size_t i = 0; finalizables && i < finalizables->list.count; i++) {
        const struct finalizable *entry = &finalizables->list.data[i];
        struct root root = { .kind = f_reachable ? ROOT_FINALIZER : ROOT_FINALIZER_QUEUE,
                             .addr = entry->slot_addr,
                             .object = entry->object };

        if (entry->is_f_reachable == f_reachable) TRY(add_root(r, root));
    }
    return NULL;
}

static struct error *add_all(struct root_reader *r, const struct handle_table *handles, const struct finalizables *finalizables)
{
    const struct dump *dump = r->clr->target->dump;

    TRY(add_statics(r, false));
    TRY(add_handles(r, handles));
    TRY(add_statics(r, true));
    for (size_t i = 0; i < r->thread_count; i++)
        TRY(add_thread_holders(r, &r->threads[i]));
    for (size_t i = 0; i < dump->threads.count; i++)
        TRY(add_stack(r, &dump->threads.data[i]));
    TRY(add_finalizables(r, finalizables, true));
    return add_finalizables(r, finalizables, false);
}

struct error *roots_init(struct roots *ret, struct clr *clr, const struct handle_table *handles,
                         const struct finalizables *finalizables, const struct heap_starts *starts)
{
    struct root_reader reader = { .clr = clr, .starts = starts, .roots = ret };
    struct arena arena;
    struct error *err;

    *ret = (struct roots) { 0 };
    arena_init(&arena);
    map_init(&reader.thread_index);
    err = clr_threads(clr, &arena, &reader.threads, &reader.thread_count);
    if (err && err != &error_enomem) {
        gaps_add_error(clr->gaps, "thread statics", err);
        err = NULL;
        reader.thread_count = 0;
    }
    for (size_t i = 0; !err && i < reader.thread_count; i++)
        if (reader.threads[i].os_id && !map_put(&reader.thread_index, reader.threads[i].os_id, i)) err = &error_enomem;
    if (!err && !stack_words_init(&reader.words, clr, starts)) err = &error_enomem;
    if (!err) err = add_all(&reader, handles, finalizables);
    stack_words_deinit(&reader.words);
    map_deinit(&reader.thread_index);
    arena_deinit(&arena);
    if (err) roots_deinit(ret);
    return err;
}

uint64_t roots_hash(const struct roots *roots)
{
    uint64_t hash = roots->list.count;

    for (size_t i = 0; i < roots->list.count; i++) {
        const struct root *root = &roots->list.data[i];

        hash = map_hash(hash ^ map_hash(root->addr)) + root->object;
        hash = map_hash(hash ^ root->kind);
    }
    return hash;
}
