#include "target/images.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "formats/pe.h"
#include "target/elf_image.h"
#include "target/image_check.h"
#include "target/image_layout.h"

enum image_state { IMAGE_UNTRIED, IMAGE_READY, IMAGE_FAILED };

/* One file. */
struct image {
    const char *key;         /* the path; for a file that is not mapped also the identity that is wanted */
    struct image *same_hash; /* the next one in the table under the same hash */
    struct image_facts facts;
    atomic_int state;          /* enum image_state; `file` is valid when ready */
    atomic_bool is_unreported; /* not found, and nobody has missed it yet */
    struct image_file file;
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
    image->facts.path = path;
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
        if (extent > image->facts.extent) image->facts.extent = extent;
        if (map->file_off == 0 && extent > image->facts.first_extent) image->facts.first_extent = extent;
    }
    return NULL;
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
        if (!image->facts.module) image->facts.module = module;
        if (image_identity_is_known(&image->facts.identity)) continue;
        if (module->is_pe) {
            image->facts.identity = (struct image_identity) { .timestamp = module->timestamp, .image_size = module->image_size };
        } else {
            image->facts.identity = (struct image_identity) { .build_id = module->build_id,
                                                              .build_id_size = module->build_id_size };
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
        image_file_unmap(images->all.data[i]->file.bytes);
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

/* How many probes this thread is in. */
static _Thread_local unsigned probing;

void images_probe_begin(void)
{
    probing++;
}

void images_probe_end(void)
{
    probing--;
}

/* With the lock held. */
static void open_image(struct images *images, struct image *image)
{
    bool is_missing;
    bool is_open = image_check_find(&images->search, images->target, &image->facts, &image->file, &is_missing);

    atomic_store(&image->is_unreported, is_missing);
    atomic_store_explicit(&image->state, is_open ? IMAGE_READY : IMAGE_FAILED, memory_order_release);
}

static bool image_is_ready(struct images *images, struct image *image)
{
    int state = atomic_load_explicit(&image->state, memory_order_acquire);

    if (state == IMAGE_UNTRIED) {
        pthread_mutex_lock(&images->lock);
        if (atomic_load(&image->state) == IMAGE_UNTRIED) open_image(images, image);
        state = atomic_load(&image->state);
        pthread_mutex_unlock(&images->lock);
    }
    if (state == IMAGE_FAILED && !probing && atomic_exchange(&image->is_unreported, false))
        gaps_add(images->target->gaps, "image file", image->facts.module ? image->facts.module->base : 0, 1, "%s: not found",
                 image->facts.path);
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
    struct span file = map->image->file.bytes;

    if (off >= file.size || end <= addr) return NULL;
    if (size > file.size - off) size = file.size - off;
    if (*size_ret > size) *size_ret = size;
    return file.data + off;
}

static struct image_layout *make_layout(const struct image *image, const struct target_module *module)
{
    struct image_layout *layout = calloc(1, sizeof(*layout));

    if (!layout) return NULL;
    if (image->file.is_elf) {
        image_layout_elf(&image->file.elf, module->base - elf_image_start(&image->file.elf), layout);
    } else if (image->file.is_pe) {
        image_layout_pe(&image->file.pe, module->base, layout);
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
    const struct elf_image *elf = &place->use->image->file.elf;
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
           place->map->end - place->map->start >= place->use->image->file.bytes.size;
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
    written = is_written(&place->use->image->file.pe, rva, &end);
    if (written && !place->initial) return NULL;
    if (place->map && !written) return view_file(place->map, place->addr, place->module->base + end, size_ret);
    return view_layout(place->images, place->use, place->module, rva, end, size_ret);
}

static const uint8_t *view_mapped(struct place *place, uint64_t *size_ret)
{
    struct image *image = place->map->image;

    if (!image->facts.module || !image_is_ready(place->images, image)) return NULL;
    if (!place->images->is_exact && place->use && place->use->image == image) {
        if (image->file.is_elf) return view_elf(place, size_ret);
        if (image->file.is_pe) return view_pe(place, size_ret);
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
    if (!place.module || images->maps.count || !image_is_ready(images, place.use->image) || !place.use->image->file.is_pe)
        return NULL;
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
    image_describe_build_id(&key, want->build_id, want->build_id_size);
    if (!key.failed) image = find_image(images, key.data);
    if (!image && !key.failed && (kept = arena_strdup(&images->arena, key.data)) != NULL) {
        const char *bytes = want->build_id_size ? (const char *)want->build_id : "";
        char *build_id = arena_strndup(&images->arena, bytes, want->build_id_size);
        path = arena_strdup(&images->arena, path);
        image = build_id && path ? add_image(images, kept, path) : NULL;
        if (image) image->facts.identity = *want;
        if (image) image->facts.identity.build_id = (const uint8_t *)build_id;
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
    if (!image || (image_identity_is_known(want) && !identity_agrees(&image->facts.identity, want))) {
        image = unmapped_image(images, path_in_dump, want);
    }
    pthread_mutex_unlock(&images->lock);
    if (!image || !image_is_ready(images, image)) return false;
    *ret = image->file.bytes;
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
