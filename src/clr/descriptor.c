#include "clr/descriptor.h"

#include <jansson.h>
#include <string.h>

#include "base/limits.h"

/*
 * struct ContractDescriptor, 40 bytes on 64-bit targets (docs/design/datacontracts/contract-descriptor.md in dotnet/runtime):
 *
 *      0  u64  magic "DNCCDAC\0"
 *      8  u32  flags: bit 0 always set, bit 1: 32-bit pointers
 *     12  u32  size of the JSON document
 *     16  ptr  JSON document
 *     24  u32  number of pointers, u32 padding
 *     32  ptr  pointer data
 */
enum { DESCRIPTOR_SIZE = 40 };
static const uint8_t descriptor_magic[8] = "DNCCDAC";

static struct error *read_one(const struct memory *memory, uint64_t addr, struct arena *arena, struct descriptor *ret)
{
    uint8_t head[DESCRIPTOR_SIZE];
    uint32_t flags, json_size, count;
    uint8_t *json;
    uint64_t *pointers;

    TRY(memory_read(memory, addr, head, sizeof(head), "contract descriptor"));
    if (memcmp(head, descriptor_magic, sizeof(descriptor_magic)) != 0)
        return error_create_at(ERROR_BAD_DATA, addr, __FILE__, __LINE__, "contract descriptor has no magic number");
    flags = load_u32(head + 8);
    json_size = load_u32(head + 12);
    count = load_u32(head + 24);
    if (!(flags & 1) || (flags & 2))
        return error_create(ERROR_UNSUPPORTED, "contract descriptor has flags 0x%x: only 64-bit targets are supported", flags);
    if (json_size > LIMIT_DESCRIPTOR_JSON || count > LIMIT_DESCRIPTOR_POINTERS)
        return error_create(ERROR_BAD_DATA, "contract descriptor with %u bytes of JSON and %u pointers", json_size, count);
    json = arena_alloc(arena, json_size ? json_size : 1);
    pointers = arena_array(arena, count ? count : 1, sizeof(*pointers));
    if (!json || !pointers) return &error_enomem;
    TRY(memory_read(memory, load_u64(head + 16), json, json_size, "contract descriptor's JSON"));
    if (count) TRY(memory_read(memory, load_u64(head + 32), pointers, count * sizeof(*pointers), "contract descriptor's pointers"));
    *ret = (struct descriptor) { .addr = addr, .json = { json, json_size }, .pointer_count = count, .pointers = pointers };
    return NULL;
}

/* The variable that holds a sub-descriptor's address: "GC": [[1], "pointer"] or [1]. */
static bool slot_of(const struct descriptor *descriptor, const json_t *json, uint64_t *ret)
{
    while (json_is_array(json))
        json = json_array_get(json, 0);
    if (!json_is_integer(json) || json_integer_value(json) < 0 || json_integer_value(json) >= descriptor->pointer_count)
        return false;
    *ret = descriptor->pointers[json_integer_value(json)];
    return *ret != 0;
}

static bool is_known(const struct descriptors *list, uint64_t addr)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].addr == addr) return true;
    return false;
}

/*
 * Those that `parent` names. A variable that is still null (the part has not started yet) or a descriptor whose bytes are not in
 * the dump costs that part.
 */
static void read_sub_descriptors(const struct target *target, struct arena *arena, const struct descriptor *parent,
                                 struct descriptors *list)
{
    json_error_t problem;
    json_t *root = json_loadb((const char *)parent->json.data, parent->json.size, JSON_REJECT_DUPLICATES, &problem);
    json_t *subs = json_object_get(root, "subDescriptors"), *value;
    const char *name;

    json_object_foreach(subs, name, value)
    {
        uint64_t slot, addr;

        if (list->count == DESCRIPTORS_MAX) break;
        if (!slot_of(parent, value, &slot) || !memory_try_u64(&target->memory, slot, &addr) || !addr || is_known(list, addr))
            continue;
        struct error *err = read_one(&target->constants, addr, arena, &list->items[list->count]);
        if (!err) list->count++;
        error_destroy(err);
    }
    json_decref(root);
}

struct error *descriptors_read(const struct target *target, const struct target_module *module, struct arena *arena,
                               struct descriptors *ret)
{
    uint64_t addr;

    ret->count = 0;
    if (!target_export(target, module, "DotNetRuntimeContractDescriptor", &addr)) return &error_not_found;
    return descriptors_read_at(target, addr, arena, ret);
}

struct error *descriptors_read_at(const struct target *target, uint64_t addr, struct arena *arena, struct descriptors *ret)
{
    ret->count = 0;
    /* It and its pointers lie in writable sections that heap dumps leave out, but nobody writes them. */
    TRY(read_one(&target->constants, addr, arena, &ret->items[0]));
    ret->count = 1;
    for (size_t i = 0; i < ret->count; i++) {
        const struct descriptor parent = ret->items[i];

        read_sub_descriptors(target, arena, &parent, ret);
    }
    return NULL;
}
