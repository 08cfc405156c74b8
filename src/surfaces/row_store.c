#include "surfaces/row_store.h"

#include <stdlib.h>
#include <string.h>

#include "surfaces/cell.h"

struct stored_text {
    struct stored_text *next; /* of the same hash */
    size_t length;
    char s[];
};

void row_store_init(struct row_store *store, const enum column_kind *kinds, unsigned cell_count)
{
    *store = (struct row_store) { .kinds = kinds, .cell_count = cell_count };
    arena_init(&store->arena);
    map_init(&store->texts);
}

void row_store_sort_by(struct row_store *store, const struct sort_key *keys, unsigned key_count, uint64_t limit)
{
    store->keys = keys;
    store->key_count = key_count;
    store->limit = limit;
}

/* With a limit rows come and go, so each owns its texts; without one, all live in the arena and equal texts are one. */
static void drop_texts(const struct row_store *store, struct stored_row *row)
{
    for (unsigned i = 0; i < store->cell_count; i++)
        if (kind_is_text(store->kinds[i]) && (row->known >> i & 1)) free((void *)(uintptr_t)row->cells[i]);
    row->known = 0;
}

void row_store_deinit(struct row_store *store)
{
    if (store->limit)
        for (size_t i = 0; i < store->rows.count; i++)
            drop_texts(store, store->rows.data[i]);
    vec_deinit(&store->rows);
    map_deinit(&store->texts);
    arena_deinit(&store->arena);
}

/* FNV-1a over the bytes, then mixed; nobody but the user is harmed by a dump that makes texts collide. */
static uint64_t hash_bytes(const char *s, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)s[i]) * UINT64_C(0x100000001b3);
    return map_hash(hash);
}

uint64_t value_hash(enum column_kind kind, const struct value *value)
{
    if (!value->known) return 0;
    return kind_is_text(kind) ? hash_bytes(value->s, value->length) : map_hash(value->u + 1);
}

static struct stored_text *text_fill(struct stored_text *text, const char *s, size_t length)
{
    if (!text) return NULL;
    text->next = NULL;
    text->length = length;
    if (length) memcpy(text->s, s, length);
    return text;
}

static struct stored_text *text_intern(struct row_store *store, const char *s, size_t length)
{
    bool added;
    uint64_t *slot = map_slot(&store->texts, hash_bytes(s, length), &added);
    struct stored_text *text;

    if (!slot) return NULL;
    for (text = (struct stored_text *)(uintptr_t)*slot; text; text = text->next)
        if (text->length == length && !memcmp(text->s, s, length)) return text;
    text = text_fill(arena_alloc(&store->arena, sizeof(*text) + length), s, length);
    if (!text) return NULL;
    text->next = (struct stored_text *)(uintptr_t)*slot;
    *slot = (uintptr_t)text;
    return text;
}

static struct stored_text *text_store(struct row_store *store, const struct value *value)
{
    size_t length = value->length;

    if (length > ROW_STORE_TEXT_MAX) {
        length = ROW_STORE_TEXT_MAX;
        /* Not in the middle of a character. */
        while (length > ROW_STORE_TEXT_MAX - 4 && ((uint8_t)value->s[length] & 0xc0) == 0x80)
            length--;
        store->cut++;
    }
    if (store->limit) return text_fill(malloc(sizeof(struct stored_text) + length), value->s, length);
    return text_intern(store, value->s, length);
}

static bool row_fill(struct row_store *store, struct stored_row *row, const struct value *cells)
{
    row->order = store->added++;
    row->known = 0;
    for (unsigned i = 0; i < store->cell_count; i++) {
        if (!cells[i].known) continue;
        if (kind_is_text(store->kinds[i])) {
            struct stored_text *text = text_store(store, &cells[i]);

            if (!text) return false;
            row->cells[i] = (uintptr_t)text;
        } else {
            row->cells[i] = cells[i].u;
        }
        row->known |= UINT64_C(1) << i;
    }
    return true;
}

struct stored_row *row_store_append(struct row_store *store, const struct value *cells)
{
    struct stored_row *row = arena_alloc(&store->arena, sizeof(*row) + store->cell_count * sizeof(row->cells[0]));

    if (!row || !vec_push(&store->rows, row)) return NULL;
    return row_fill(store, row, cells) ? row : NULL;
}

void stored_row_get(const struct row_store *store, const struct stored_row *row, unsigned cell, struct value *ret)
{
    ret->known = row->known >> cell & 1;
    if (!ret->known) return;
    if (kind_is_text(store->kinds[cell])) {
        const struct stored_text *text = (const struct stored_text *)(uintptr_t)row->cells[cell];

        value_textn(ret, text->s, text->length);
    } else {
        ret->u = row->cells[cell];
    }
}

void row_store_get(const struct row_store *store, size_t index, struct value *cells)
{
    for (unsigned i = 0; i < store->cell_count; i++)
        stored_row_get(store, store->rows.data[index], i, &cells[i]);
}

/* Unknown values come last in either direction. */
static int key_compare(const struct row_store *store, const struct sort_key *key, const struct value *a, const struct value *b)
{
    int order = value_compare(store->kinds[key->cell], a, b);

    return key->descending && a->known && b->known ? -order : order;
}

static int row_compare(const void *a_ptr, const void *b_ptr, void *user)
{
    const struct row_store *store = user;
    const struct stored_row *a = *(struct stored_row *const *)a_ptr, *b = *(struct stored_row *const *)b_ptr;

    for (unsigned i = 0; i < store->key_count; i++) {
        struct value left, right;
        int order;

        stored_row_get(store, a, store->keys[i].cell, &left);
        stored_row_get(store, b, store->keys[i].cell, &right);
        order = key_compare(store, &store->keys[i], &left, &right);
        if (order) return order;
    }
    return (a->order > b->order) - (a->order < b->order);
}

void row_store_sort(struct row_store *store)
{
    if (store->rows.count > 1) qsort_r(store->rows.data, store->rows.count, sizeof(store->rows.data[0]), row_compare, store);
}

/* Does a row that comes now belong before `row`? Being later, it loses ties. */
static bool belongs_before(const struct row_store *store, const struct value *cells, const struct stored_row *row)
{
    for (unsigned i = 0; i < store->key_count; i++) {
        const struct sort_key *key = &store->keys[i];
        struct value other;
        int order;

        stored_row_get(store, row, key->cell, &other);
        order = key_compare(store, key, &cells[key->cell], &other);
        if (order) return order < 0;
    }
    return false;
}

static void heap_swap(struct row_store *store, size_t i, size_t j)
{
    struct stored_row *row = store->rows.data[i];

    store->rows.data[i] = store->rows.data[j];
    store->rows.data[j] = row;
}

static bool heap_worse(struct row_store *store, size_t i, size_t j)
{
    return row_compare(&store->rows.data[i], &store->rows.data[j], store) > 0;
}

static void heap_up(struct row_store *store, size_t i)
{
    for (; i > 0 && heap_worse(store, i, (i - 1) / 2); i = (i - 1) / 2)
        heap_swap(store, i, (i - 1) / 2);
}

static void heap_down(struct row_store *store, size_t i)
{
    size_t count = store->rows.count;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= count) return;
        if (child + 1 < count && heap_worse(store, child + 1, child)) child++;
        if (!heap_worse(store, child, i)) return;
        heap_swap(store, i, child);
        i = child;
    }
}

static struct error *heap_add(struct row_store *store, const struct value *cells)
{
    struct stored_row *worst;

    if (store->rows.count < store->limit) {
        if (!row_store_append(store, cells)) return &error_enomem;
        heap_up(store, store->rows.count - 1);
        return NULL;
    }
    worst = store->rows.data[0];
    if (!belongs_before(store, cells, worst)) {
        store->added++;
        return NULL;
    }
    drop_texts(store, worst);
    if (!row_fill(store, worst, cells)) return &error_enomem;
    heap_down(store, 0);
    return NULL;
}

struct error *row_store_add(struct row_store *store, const struct value *cells)
{
    if (store->limit) return heap_add(store, cells);
    return row_store_append(store, cells) ? NULL : &error_enomem;
}
