/* An ELF library, as a file and as if it were mapped in one piece: symbols, and the layout of its writable part. */
#include "target/elf_image.h"
#include "target/image_layout.h"

#define BASE UINT64_C(0x7f0000000000)

static volatile uint64_t sink;

static void use_layout(const struct elf_image *image)
{
    struct image_layout layout;
    uint64_t size;

    if (image->high - image->low > 1 << 24 || !image_layout_elf(image, BASE, &layout)) return;
    for (uint64_t at = 0; at < layout.size; at += size) {
        const uint8_t *bytes;
        size = 4096;
        bytes = image_layout_view(&layout, layout.start + at, UINT64_MAX, &size);
        if (!bytes) size = 8;
        for (uint64_t i = 0; bytes && i < size; i++)
            sink += bytes[i];
    }
    image_layout_deinit(&layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf_image image;
    struct memory memory;
    uint64_t vaddr;

    if (elf_image_from_file((struct span) { data, size }, &image)) {
        sink += elf_image_symbol(&image, "answer", &vaddr);
        use_layout(&image);
    }
    memory_init(&memory, NULL);
    if (!memory_add(&memory, BASE, size, data, 0) && !memory_freeze(&memory) &&
        elf_image_from_memory(&memory, BASE, true, &image)) {
        sink += elf_image_symbol(&image, "answer", &vaddr);
    }
    memory_deinit(&memory);
    return 0;
}
