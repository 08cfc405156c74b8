/* The head of an index file, with the MAC that only we can make put right: what it says must still stay inside the file. */
#include <string.h>

#include "heap/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct siphash_key key = { 1, 2 };
    struct {
        struct store_header header;
        struct store_section sections[STORE_SECTIONS_MAX];
    } head = { 0 };
    struct store_section sections[STORE_SECTIONS_MAX];
    uint32_t count = 0;

    memcpy(&head, data, size < sizeof(head) ? size : sizeof(head));
    if (head.header.section_count <= STORE_SECTIONS_MAX) head.header.mac = store_mac(&head.header, head.sections, &key);
    if (store_parse(&head, size < sizeof(head) ? size : sizeof(head), size, &key, head.header.identity, sections, &count))
        for (uint32_t i = 0; i < count; i++)
            if (sections[i].offset > size || sections[i].size > size - sections[i].offset ||
                !memchr(sections[i].name, 0, STORE_NAME_SIZE))
                __builtin_trap();
    return 0;
}
