#include <string.h>

#include "base/limits.h"
#include "clr/clr.h"

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

struct error *descriptor_read(const struct target *target, const struct target_module *module, struct arena *arena,
                              struct descriptor *ret)
{
    const struct memory *memory = &target->constants; /* it lies in .data, which heap dumps leave out, and never changes */
    uint8_t head[DESCRIPTOR_SIZE];
    uint64_t addr, json_addr, pointers_addr;
    uint32_t flags, json_size, count;
    uint8_t *json;
    uint64_t *pointers;

    if (!target_export(target, module, "DotNetRuntimeContractDescriptor", &addr)) return &error_not_found;
    TRY(memory_read(memory, addr, head, sizeof(head), "contract descriptor"));
    if (memcmp(head, descriptor_magic, sizeof(descriptor_magic)) != 0)
        return error_create_at(ERROR_BAD_DATA, addr, __FILE__, __LINE__, "contract descriptor has no magic number");
    flags = load_u32(head + 8);
    json_size = load_u32(head + 12);
    json_addr = load_u64(head + 16);
    count = load_u32(head + 24);
    pointers_addr = load_u64(head + 32);
    if (!(flags & 1) || (flags & 2))
        return error_create(ERROR_UNSUPPORTED, "contract descriptor has flags 0x%x: only 64-bit targets are supported", flags);
    if (json_size > LIMIT_DESCRIPTOR_JSON || count > LIMIT_DESCRIPTOR_POINTERS)
        return error_create(ERROR_BAD_DATA, "contract descriptor with %u bytes of JSON and %u pointers", json_size, count);
    json = arena_alloc(arena, json_size);
    pointers = arena_array(arena, count, sizeof(*pointers));
    if (!json || !pointers) return &error_enomem;
    TRY(memory_read(memory, json_addr, json, json_size, "contract descriptor's JSON"));
    TRY(memory_read(memory, pointers_addr, pointers, count * sizeof(*pointers), "contract descriptor's pointers"));
    *ret = (struct descriptor) { .addr = addr, .json = { json, json_size }, .pointer_count = count, .pointers = pointers };
    return NULL;
}
