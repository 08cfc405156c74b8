#include "target/images.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "formats/pe.h"
#include "target/elf_image.h"
#include "target/image_layout.h"
#include "target/image_search.h"

enum image_state { IMAGE_UNTRIED, IMAGE_READY, IMAGE_FAILED };

/* One file. */
struct image {
    const char *key;                    /* the path; for a file that is not mapped also the identity that is wanted */
    const char *path;                   /* in the dump */
    struct image *same_hash;            /* the next one in the table under the same hash */
    const struct target_module *module; /* the first that has this path; NULL: no image is mapped from it, so it is never opened */
    struct image_identity identity;     /* all 0: not known from the dump */
    uint64_t extent, first_extent;      /* end of the last mapped byte, and of a mapping from offset 0, as file offsets */
    atomic_int state;                   /* enum image_state; what follows is valid when ready */
    struct span file;
    bool is_elf, is_pe;
    struct elf_image elf;
    struct pe pe;
};

/* [start, end) comes from `image` at `file_off`. */
struct image_map {
    uint64_t start, end, file_off;
    struct image *image;
};

/* A module's image as laid out at its base, made on first need. */
struct image_use {
    struct image *image;
    _Atomic(struct image_layout *) layout;
};

struct images {
    const struct target *target;
    struct image_search search;
    struct arena arena; /* of images, keys */
    VEC(struct image *) all;
    struct map by_key; /* hash -> struct image */
    VEC(struct image_map) maps;
    struct image_use *uses; /* one a module, in the target's order */
    size_t use_count;
    VEC(struct span) found; /* of images_find_file */
    pthread_mutex_t lock;   /* opening files, making layouts, and after creation the table and `found` */
    uint64_t page_size;     /* largest that the process may have had */
    /* A page that the dump lacks equals the file: kernels and gcore leave a private mapping out only when no page of it was
     * written. */
    bool is_exact;
};

static uint64_t hash_key(const char *key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *key; key++)
        hash = (hash ^ (uint8_t)*key) * UINT64_C(0x100000001b3);
    return hash;
}

static struct image *find_image(const struct images *images, const char *key)
{
    uint64_t found;

    if (!map_get(&images->by_key, hash_key(key), &found)) return NULL;
    for (struct image *image = (struct image *)(uintptr_t)found; image; image = image->same_hash) {
        if (strcmp(image->key, key) == 0) return image;
    }
    return NULL;
}

/* Finds or adds; NULL: no memory. The strings are kept. */
static struct image *add_image(struct images *images, const char *key, const char *path)
{
    struct image *image = find_image(images, key);
    uint64_t *slot;
    bool is_added;

    if (image) return image;
    image = arena_alloc(&images->arena, sizeof(*image));
    slot = image ? map_slot(&images->by_key, hash_key(key), &is_added) : NULL;
    if (!slot || !vec_push(&images->all, image)) return NULL;
    image->key = key;
    image->path = path;
    image->same_hash = (struct image *)(uintptr_t)*slot;
    *slot = (uintptr_t)image;
    return image;
}

/* ---- creation ---- */

static struct error *add_maps(struct images *images)
{
    const struct dump *dump = images->target->dump;

    for (size_t i = 0; i < dump->file_maps.count; i++) {
        const struct dump_file_map *map = &dump->file_maps.data[i];
        uint64_t extent;
        struct image *image;
        if (map->end <= map->start || __builtin_add_overflow(map->file_off, map->end - map->start, &extent)) continue;
        image = add_image(images, map->path, map->path);
        if (!image || !vec_push(&images->maps, (struct image_map) { map->start, map->end, map->file_off, image }))
            return &error_enomem;
        if (extent > image->extent) image->extent = extent;
        if (map->file_off == 0 && extent > image->first_extent) image->first_extent = extent;
    }
    return NULL;
}

static bool identity_is_known(const struct image_identity *identity)
{
    return identity->build_id_size || identity->timestamp || identity->image_size;
}

static struct error *add_modules(struct images *images)
{
    const struct target *target = images->target;

    images->use_count = target->modules.count;
    images->uses = calloc(images->use_count ? images->use_count : 1, sizeof(*images->uses));
    if (!images->uses) return &error_enomem;
    for (size_t i = 0; i < images->use_count; i++) {
        const struct target_module *module = &target->modules.data[i];
        struct image *image = add_image(images, module->path, module->path);
        if (!image) return &error_enomem;
        images->uses[i].image = image;
        if (!image->module) image->module = module;
        if (identity_is_known(&image->identity)) continue;
        if (module->is_pe) {
            image->identity = (struct image_identity) { .timestamp = module->timestamp, .image_size = module->image_size };
        } else {
            image->identity = (struct image_identity) { .build_id = module->build_id, .build_id_size = module->build_id_size };
        }
    }
    return NULL;
}

struct error *images_create(const struct target *target, const struct target_options *options, struct images **ret)
{
    static const struct target_options none;
    struct images *images = calloc(1, sizeof(*images));
    struct error *err;

    if (!images) return &error_enomem;
    if (!options) options = &none;
    pthread_mutex_init(&images->lock, NULL);
    arena_init(&images->arena);
    map_init(&images->by_key);
    images->target = target;
    images->page_size = target->dump->arch && strcmp(target->dump->arch, "x64") == 0 ? 4096 : 65536;
    images->is_exact = target->dump->kind &&
                       (strcmp(target->dump->kind, "kernel") == 0 || strcmp(target->dump->kind, "gcore") == 0);
    err = image_search_init(&images->search, options->image_dirs, options->image_dir_count, options->sysroot, target->is_windows,
                            target->gaps);
    if (!err) err = add_maps(images);
    if (!err) err = add_modules(images);
    if (err) {
        images_destroy(images);
        return err;
    }
    *ret = images;
    return NULL;
}

static void destroy_layout(struct image_layout *layout)
{
    if (!layout) return;
    image_layout_deinit(layout);
    free(layout);
}

void images_destroy(struct images *images)
{
    if (!images) return;
    for (size_t i = 0; images->uses && i < images->use_count; i++)
        destroy_layout(atomic_load(&images->uses[i].layout));
    for (size_t i = 0; i < images->all.count; i++)
        image_file_unmap(images->all.data[i]->file);
    for (size_t i = 0; i < images->found.count; i++)
        image_file_unmap(images->found.data[i]);
    free(images->uses);
    vec_deinit(&images->all);
    vec_deinit(&images->maps);
    vec_deinit(&images->found);
    map_deinit(&images->by_key);
    arena_deinit(&images->arena);
    image_search_deinit(&images->search);
    pthread_mutex_destroy(&images->lock);
    free(images);
}

/* ---- is it the same file? ---- */

struct check {
    const struct images *images;
    struct image *image;
    struct image_identity want;
    struct text in_dump, on_disk; /* identities, for the gap; the second is that of the last file refused */
};

static void describe_build_id(struct text *text, const uint8_t *build_id, uint32_t size)
{
    text_puts(text, size ? "build-id " : "no build-id");
    for (uint32_t i = 0; i < size; i++)
        text_printf(text, "%02x", build_id[i]);
}

static void describe_pe(struct text *text, uint32_t timestamp, uint32_t image_size)
{
    text_printf(text, "timestamp %08x and size %x", timestamp, image_size);
}

static bool same_build_id(struct check *check)
{
    const struct image *image = check->image;

    text_clear(&check->on_disk);
    if (!image->is_elf) {
        text_puts(&check->on_disk, "no ELF file");
        return false;
    }
    describe_build_id(&check->on_disk, image->elf.build_id, image->elf.build_id_size);
    return image->elf.build_id_size == check->want.build_id_size &&
           memcmp(image->elf.build_id, check->want.build_id, check->want.build_id_size) == 0;
}

static bool same_pe(struct check *check)
{
    const struct image *image = check->image;

    text_clear(&check->on_disk);
    if (!image->is_pe) {
        text_puts(&check->on_disk, "no PE file");
        return false;
    }
    describe_pe(&check->on_disk, image->pe.timestamp, image->pe.image_size);
    return image->pe.timestamp == check->want.timestamp && image->pe.image_size == check->want.image_size;
}

/* An ELF file without a build-id: its first page, which nobody writes, is in the dump. */
static bool same_first_page(const struct check *check, struct span bytes, bool *is_dumped_ret)
{
    uint64_t size = 0;
    const uint8_t *page = NULL;

    if (check->image->module) page = memory_view_dumped(&check->images->target->memory, check->image->module->base, 4096, &size);
    *is_dumped_ret = page && size >= 64;
    return *is_dumped_ret && span_holds(bytes, 0, size) && memcmp(bytes.data, page, size) == 0;
}

/* Do the mappings fit the file: all inside, and when one maps the whole of it, no longer than that? */
static bool same_extent(const struct check *check, struct span bytes)
{
    const struct image *image = check->image;
    uint64_t page = check->images->page_size, end = (bytes.size + page - 1) / page * page;

    if (image->extent == 0 || image->extent > end) return false;
    return image->first_extent != image->extent || end - image->extent < page;
}

static bool accept_unknown(struct check *check, struct span bytes)
{
    bool is_dumped;

    if (same_first_page(check, bytes, &is_dumped)) return true;
    text_clear(&check->on_disk);
    if (is_dumped) {
        text_puts(&check->on_disk, "another first page");
        return false;
    }
    if (!same_extent(check, bytes)) {
        text_printf(&check->on_disk, "%zu bytes", bytes.size);
        return false;
    }
    gaps_add(check->images->target->gaps, "image file", check->image->module ? check->image->module->base : 0, 1,
             "taken on trust: no header in the dump");
    return true;
}

static void decode(struct image *image, struct span bytes)
{
    struct error *err;

    image->is_elf = elf_image_from_file(bytes, &image->elf);
    image->is_pe = false;
    if (image->is_elf || !pe_probe(bytes)) return;
    err = pe_open(bytes, PE_LAYOUT_FLAT, &image->pe);
    image->is_pe = !err;
    error_destroy(err);
}

static bool accept(void *user, struct span bytes)
{
    struct check *check = user;

    decode(check->image, bytes);
    if (check->want.build_id_size) return same_build_id(check);
    if (check->want.timestamp || check->want.image_size) return same_pe(check);
    return accept_unknown(check, bytes);
}

static void describe_wanted(struct check *check)
{
    const struct image *image = check->image;

    if (check->want.build_id_size) {
        describe_build_id(&check->in_dump, check->want.build_id, check->want.build_id_size);
    } else if (check->want.timestamp || check->want.image_size) {
        describe_pe(&check->in_dump, check->want.timestamp, check->want.image_size);
    } else if (image->extent) {
        text_printf(&check->in_dump, "%llu bytes", (unsigned long long)image->extent);
    } else {
        text_puts(&check->in_dump, "nothing known of it");
    }
}

static void report_refused(struct check *check)
{
    uint64_t addr = check->image->module ? check->image->module->base : 0;

    if (check->on_disk.length == 0) {
        gaps_add(check->images->target->gaps, "image file", addr, 1, "%s: not found", check->image->path);
        return;
    }
    describe_wanted(check);
    gaps_add(check->images->target->gaps, "image file", addr, 1, "%s: %s in the dump, %s on disk", check->image->path,
             text_cstr(&check->in_dump), text_cstr(&check->on_disk));
}

/* With the lock held. */
static void open_image(struct images *images, struct image *image, const struct image_identity *want)
{
    struct check check = { .images = images, .image = image, .want = *want };
    bool is_open = image_search_find(&images->search, image->path, accept, &check, &image->file);

    if (!is_open) report_refused(&check);
    text_deinit(&check.in_dump);
    text_deinit(&check.on_disk);
    atomic_store_explicit(&image->state, is_open ? IMAGE_READY : IMAGE_FAILED, memory_order_release);
}

static bool image_is_ready(struct images *images, struct image *image)
{
    int state = atomic_load_explicit(&image->state, memory_order_acquire);

    if (state == IMAGE_UNTRIED) {
        pthread_mutex_lock(&images->lock);
        if (atomic_load(&image->state) == IMAGE_UNTRIED) open_image(images, image, &image->identity);
        state = atomic_load(&image->state);
        pthread_mutex_unlock(&images->lock);
    }
    return state == IMAGE_READY;
}

/* ---- bytes at an address ---- */

static const struct image_map *map_at(const struct images *images, uint64_t addr)
{
    size_t low = 0, high = images->maps.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (images->maps.data[middle].end <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < images->maps.count && images->maps.data[low].start <= addr ? &images->maps.data[low] : NULL;
}

/* The file's own bytes, up to address `end`. */
static const uint8_t *view_file(const struct image_map *map, uint64_t addr, uint64_t end, uint64_t *size_ret)
{
    uint64_t off = map->file_off + (addr - map->start), size = (end < map->end ? end : map->end) - addr;
    struct span file = map->image->file;

    if (off >= file.size || end <= addr) return NULL;
    if (size > file.size - off) size = file.size - off;
    if (*size_ret > size) *size_ret = size;
    return file.data + off;
}

static struct image_layout *make_layout(const struct image *image, const struct target_module *module)
{
    struct image_layout *layout = calloc(1, sizeof(*layout));

    if (!layout) return NULL;
    if (image->is_elf) {
        image_layout_elf(&image->elf, module->base - elf_image_start(&image->elf), layout);
    } else if (image->is_pe) {
        image_layout_pe(&image->pe, module->base, layout);
    }
    return layout; /* without data when it could not be made, so that it is not tried again */
}

/* The laid-out byte at link-time address `addr`, and those up to `end`. */
static const uint8_t *view_layout(struct images *images, struct image_use *use, const struct target_module *module, uint64_t addr,
                                  uint64_t end, uint64_t *size_ret)
{
    struct image_layout *layout = atomic_load_explicit(&use->layout, memory_order_acquire);

    if (!layout) {
        pthread_mutex_lock(&images->lock);
        layout = atomic_load(&use->layout);
        if (!layout && (layout = make_layout(use->image, module)) != NULL)
            atomic_store_explicit(&use->layout, layout, memory_order_release);
        pthread_mutex_unlock(&images->lock);
    }
    return layout ? image_layout_view(layout, addr, end, size_ret) : NULL;
}

struct place {
    struct images *images;
    struct image_use *use;
    const struct target_module *module;
    const struct image_map *map; /* NULL: a minidump */
    uint64_t addr;
    bool initial; /* writable parts too */
};

/* The dynamic linker keeps its own state in pages that it protects later; it is relocated by hand, so the file does not tell. */
static bool is_dynamic_linker(const struct target_module *module)
{
    return strncmp(module->name, "ld-", 3) == 0;
}

static const uint8_t *view_elf(const struct place *place, uint64_t *size_ret)
{
    const struct elf_image *elf = &place->use->image->elf;
    uint64_t vaddr = place->addr - (place->module->base - elf_image_start(elf));
    const struct elf_load *load = elf_image_load_at(elf, vaddr);

    if (!load) return NULL;
    if (!load->writable) return view_file(place->map, place->addr, UINT64_MAX, size_ret);
    if (place->initial) return view_layout(place->images, place->use, place->module, vaddr, elf->high, size_ret);
    if (vaddr < elf->relro || vaddr >= elf->relro_end || is_dynamic_linker(place->module)) return NULL;
    return view_layout(place->images, place->use, place->module, vaddr, elf->relro_end, size_ret);
}

/* A dll mapped as the file is, by one mapping that holds all of it. */
static bool is_flat(const struct place *place)
{
    return place->map && place->map->file_off == 0 && place->map->start == place->module->base &&
           place->map->end - place->map->start >= place->use->image->file.size;
}

/* Is `rva` in a section that is written? `end_ret`: up to where the answer holds. */
static bool is_written(const struct pe *pe, uint64_t rva, uint64_t *end_ret)
{
    struct pe_section section;

    *end_ret = pe->image_size;
    for (uint32_t i = 0; pe_section(pe, i, &section); i++) {
        uint64_t size = section.virtual_size > section.raw_size ? section.virtual_size : section.raw_size;
        if (!(section.characteristics & (uint32_t)PE_SECTION_WRITE)) continue;
        if (rva >= section.rva && rva - section.rva < size) {
            *end_ret = section.rva + size;
            return true;
        }
        if (rva < section.rva && section.rva < *end_ret) *end_ret = section.rva;
    }
    return false;
}

static const uint8_t *view_pe(const struct place *place, uint64_t *size_ret)
{
    uint64_t rva = place->addr - place->module->base, end;
    bool written;

    if (is_flat(place)) return view_file(place->map, place->addr, UINT64_MAX, size_ret);
    written = is_written(&place->use->image->pe, rva, &end);
    if (written && !place->initial) return NULL;
    if (place->map && !written) return view_file(place->map, place->addr, place->module->base + end, size_ret);
    return view_layout(place->images, place->use, place->module, rva, end, size_ret);
}

static const uint8_t *view_mapped(struct place *place, uint64_t *size_ret)
{
    struct image *image = place->map->image;

    if (!image->module || !image_is_ready(place->images, image)) return NULL;
    if (!place->images->is_exact && place->use && place->use->image == image) {
        if (image->is_elf) return view_elf(place, size_ret);
        if (image->is_pe) return view_pe(place, size_ret);
    }
    return view_file(place->map, place->addr, UINT64_MAX, size_ret);
}

static void report_lost_pages(struct images *images)
{
    uint64_t count = atomic_exchange(&images->search.lost_pages, 0);

    if (count)
        gaps_add(images->target->gaps, "image file", 0, count,
                 "pages read as zeros: a file shrank while it was read, or its disk failed");
}

static const uint8_t *view(struct images *images, uint64_t addr, bool initial, uint64_t *size_ret)
{
    struct place place = { .images = images, .map = map_at(images, addr), .addr = addr, .initial = initial };

    if (atomic_load_explicit(&images->search.lost_pages, memory_order_relaxed)) report_lost_pages(images);
    place.module = target_module_at(images->target, addr);
    if (place.module) place.use = &images->uses[place.module - images->target->modules.data];
    if (place.map) return view_mapped(&place, size_ret);
    if (!place.module || images->maps.count || !image_is_ready(images, place.use->image) || !place.use->image->is_pe) return NULL;
    return view_pe(&place, size_ret);
}

const uint8_t *images_view_constant(void *images, uint64_t addr, uint64_t *size_ret)
{
    return view(images, addr, false, size_ret);
}

const uint8_t *images_view_initial(void *images, uint64_t addr, uint64_t *size_ret)
{
    return view(images, addr, true, size_ret);
}

/* ---- whole files ---- */

static bool identity_agrees(const struct image_identity *known, const struct image_identity *want)
{
    if (want->build_id_size) {
        return known->build_id_size == want->build_id_size && memcmp(known->build_id, want->build_id, want->build_id_size) == 0;
    }
    return known->timestamp == want->timestamp && known->image_size == want->image_size;
}

/* The entry for a file that is not mapped, or not known from its mapping to be that one. With the lock held. */
static struct image *unmapped_image(struct images *images, const char *path, const struct image_identity *want)
{
    struct text key = { 0 };
    struct image *image = NULL;
    const char *kept;

    text_printf(&key, "%s\n%x.%x.", path, want->timestamp, want->image_size);
    describe_build_id(&key, want->build_id, want->build_id_size);
    if (!key.failed) image = find_image(images, key.data);
    if (!image && !key.failed && (kept = arena_strdup(&images->arena, key.data)) != NULL) {
        char *build_id = arena_strndup(&images->arena, (const char *)want->build_id, want->build_id_size);
        path = arena_strdup(&images->arena, path);
        image = build_id && path ? add_image(images, kept, path) : NULL;
        if (image) image->identity = *want;
        if (image) image->identity.build_id = (const uint8_t *)build_id;
    }
    text_deinit(&key);
    return image;
}

bool images_file_span(struct images *images, const char *path_in_dump, const struct image_identity *want, struct span *ret)
{
    static const struct image_identity anything;
    struct image *image;

    if (!want) want = &anything;
    pthread_mutex_lock(&images->lock);
    image = find_image(images, path_in_dump);
    if (!image || (identity_is_known(want) && !identity_agrees(&image->identity, want))) {
        image = unmapped_image(images, path_in_dump, want);
    }
    pthread_mutex_unlock(&images->lock);
    if (!image || !image_is_ready(images, image)) return false;
    *ret = image->file;
    return true;
}

bool images_find_file(struct images *images, const char *path_in_dump, bool (*accept_file)(void *user, struct span bytes),
                      void *user, struct span *ret)
{
    struct span file;
    bool is_kept;

    if (!image_search_find(&images->search, path_in_dump, accept_file, user, &file)) return false;
    pthread_mutex_lock(&images->lock);
    is_kept = vec_push(&images->found, file);
    pthread_mutex_unlock(&images->lock);
    if (!is_kept) {
        image_file_unmap(file);
        return false;
    }
    *ret = file;
    return true;
}
