#include "managed/differ.h"

#include <string.h>

#include "managed/differ_internal.h"

const char *const differ_verdict_names[] = { "equal", "varies", "identity", "content", "grows", "unclear" };
const char *const differ_equality_names[] = { "value", "own Equals", "reference" };

/* The objects that are being looked into, and those that led to them. */
struct frame {
    const struct frame *parent;
    const uint64_t *addrs;
    const uint32_t *owner; /* index of the object of `parent` that led here first */
};

/* One column: a value of each of `count` owners. */
struct column {
    const uint64_t *addrs; /* where the values lie */
    const uint32_t *owner; /* their objects in the frame; NULL: the same index */
    size_t count;
    uint64_t absent; /* owners that have no such value */
    uint8_t element_type;
    uint64_t value_mt;
    const struct clr_field *field;
    unsigned depth;
};

/* What a column turned out to be. */
struct outcome {
    uint64_t distinct, contents, nulls;
    uint64_t objects; /* different ones, or structs, whatever is in them */
    enum differ_equality equality;
    uint64_t type_mt; /* 0: several, or none */
    bool complete, grows;
};

static bool compare_column(struct run *run, const struct frame *frame, const struct column *column, uint64_t *classes,
                           struct outcome *ret);

/* ---- counting ---- */

/* How many different ones there are; 0: memory is exhausted. */
static uint64_t count_distinct(const uint64_t *values, size_t count)
{
    struct map seen;
    uint64_t distinct;
    size_t i = 1;

    while (i < count && values[i] == values[0])
        i++;
    if (i >= count) return count > 0;
    map_init(&seen);
    for (i = 0; i < count; i++)
        if (!map_slot(&seen, values[i], NULL)) break;
    distinct = i < count ? 0 : seen.count + seen.has_empty_key;
    map_deinit(&seen);
    return distinct;
}

/* Nine in ten are larger than the one before. */
static bool is_growing(const uint64_t *values, size_t count)
{
    size_t up = 0;

    for (size_t i = 1; i < count; i++)
        up += (int64_t)values[i] > (int64_t)values[i - 1];
    return count >= GROWS_MIN && up * 10 >= (count - 1) * 9;
}

static void *run_array(struct run *run, size_t count, size_t size)
{
    void *ret = calloc(count ? count : 1, size);

    if (!ret) run->out_of_memory = true;
    return ret;
}

/* ---- rows ---- */

/* The object of a value; false: null, or not readable. */
static bool column_object(const struct run *run, const struct column *column, size_t i, uint64_t *ret)
{
    if (column->element_type == ELEMENT_OBJECT) *ret = column->addrs[i];
    return column->element_type == ELEMENT_OBJECT || (memory_try_u64(run->clr->memory, column->addrs[i], ret) && *ret);
}

static void path_cut(struct run *run, size_t length)
{
    run->path.length = length;
    if (run->path.data) run->path.data[length] = 0;
}

static void path_field(struct run *run, const char *name)
{
    if (run->path.length) text_putc(&run->path, '.');
    field_text(name, &run->path);
}

static const char *arena_text(struct run *run, const struct text *text)
{
    const char *ret = arena_strdup(&run->differ->arena, text_cstr(text));

    if (!ret) run->out_of_memory = true;
    return ret ? ret : "";
}

static const char *column_type(struct run *run, const struct column *column, uint64_t type_mt)
{
    struct text text = { 0 };
    const char *ret;

    if (type_mt)
        text_puts(&text, clr_type_name(run->clr, type_mt));
    else if (column->field)
        clr_field_type_name(run->clr, column->field, &text);
    else if (column->value_mt)
        text_puts(&text, clr_type_name(run->clr, column->value_mt));
    ret = arena_text(run, &text);
    text_deinit(&text);
    return ret;
}

/* What tells the value from others: its content, or, where references are compared, the object. */
static uint64_t example_key(struct run *run, const struct column *column, const uint64_t *classes, size_t i, bool by_reference)
{
    uint64_t addr;

    return by_reference && column_object(run, column, i, &addr) ? addr : classes[i];
}

/* Some values that are different from each other. */
static const char *column_examples(struct run *run, const struct column *column, const uint64_t *classes, bool by_reference)
{
    uint64_t shown[EXAMPLES];
    struct text text = { 0 };
    size_t count = 0;
    const char *ret;

    for (size_t i = 0; i < column->count && count < EXAMPLES; i++) {
        struct managed_value value = { column->addrs[i], column->element_type, column->value_mt };
        uint64_t key = example_key(run, column, classes, i, by_reference);
        bool seen = false;

        for (size_t k = 0; k < count; k++)
            seen = seen || shown[k] == key;
        if (seen) continue;
        if (count) text_puts(&text, ", ");
        shown[count++] = key;
        managed_text(run->clr, &value, &text);
    }
    ret = arena_text(run, &text);
    text_deinit(&text);
    return ret;
}

static enum differ_verdict verdict_of(const struct outcome *outcome, uint64_t of)
{
    if (outcome->distinct <= 1 && outcome->contents <= 1) return DIFFER_EQUAL;
    if (outcome->equality == EQUALITY_REFERENCE) {
        if (outcome->distinct == outcome->contents) return outcome->distinct == of ? DIFFER_CONTENT : DIFFER_VARIES;
        return outcome->complete ? DIFFER_IDENTITY : DIFFER_UNCLEAR;
    }
    if (outcome->contents <= 1) return outcome->complete ? DIFFER_EQUAL : DIFFER_UNCLEAR;
    if (outcome->contents < of) return DIFFER_VARIES;
    return outcome->grows ? DIFFER_GROWS : DIFFER_CONTENT;
}

/* Takes a place for the row of a column, before those of the columns below it; false when there is none. */
static bool row_reserve(struct run *run, const struct column *column, size_t *ret)
{
    struct differ_row row = { .path = arena_text(run, &run->path), .depth = column->depth };

    *ret = run->differ->rows.count;
    if (*ret >= ROWS_MAX) {
        run->differ->complete = false;
        return false;
    }
    if (vec_push(&run->differ->rows, row)) return true;
    run->out_of_memory = true;
    return false;
}

static bool has_difference(const struct differ *differ, size_t from)
{
    for (size_t i = from; i < differ->rows.count; i++)
        if (differ->rows.data[i].verdict != DIFFER_EQUAL) return true;
    return false;
}

static void row_finish(struct run *run, size_t index, const struct column *column, const uint64_t *classes,
                       const struct outcome *outcome)
{
    struct differ *differ = run->differ;
    struct differ_row *row = &differ->rows.data[index];

    row->of = column->count + column->absent;
    row->distinct = outcome->distinct;
    row->contents = outcome->contents;
    row->nulls = outcome->nulls + column->absent;
    row->equality = outcome->equality;
    row->complete = outcome->complete;
    row->verdict = verdict_of(outcome, row->of);
    if (outcome->contents <= 1) {
        /*
         * Where all contents are the same there is nothing to be said of the parts, unless it is the parts that are compared by
         * reference, and so make their owners different.
         */
        if ((outcome->equality != EQUALITY_REFERENCE || run->with_identity) && has_difference(differ, index + 1)) {
            row->verdict = outcome->complete ? DIFFER_IDENTITY : DIFFER_UNCLEAR;
            if (outcome->equality != EQUALITY_REFERENCE) row->distinct = outcome->objects;
        } else {
            differ->rows.count = index + 1;
        }
    }
    if (row->verdict == DIFFER_EQUAL) {
        differ->equal_count++;
        if (!run->with_equal && column->depth) {
            differ->rows.count = index;
            return;
        }
    }
    row->type = column_type(run, column, outcome->type_mt);
    row->examples = column_examples(run, column, classes, outcome->equality == EQUALITY_REFERENCE);
}

/* ---- fields ---- */

/* Compares one field of all objects and mixes what it is into their contents. */
static bool compare_place(struct run *run, const struct frame *frame, const struct column *of, const struct value_place *place,
                          const uint64_t *bases, uint64_t *contents, unsigned depth)
{
    uint64_t *addrs = run_array(run, of->count, sizeof(*addrs)), *classes = run_array(run, of->count, sizeof(*classes));
    struct column column = { addrs, of->owner, of->count, 0, place->element_type, place->value_mt, place->field, depth };
    struct outcome outcome = { .complete = true };
    size_t length = run->path.length;

    if (addrs && classes) {
        for (size_t i = 0; i < of->count; i++)
            addrs[i] = bases[i] + place->off;
        path_field(run, place->name);
        compare_column(run, frame, &column, classes, &outcome);
        path_cut(run, length);
        for (size_t i = 0; i < of->count; i++)
            contents[i] = mix(contents[i], classes[i]);
    }
    free(addrs);
    free(classes);
    return outcome.complete;
}

static bool compare_fields(struct run *run, const struct frame *frame, const struct column *of, const struct value_layout *layout,
                           const uint64_t *bases, uint64_t *contents, unsigned depth)
{
    bool complete = layout != NULL;

    for (size_t i = 0; layout && i < layout->count && !run->out_of_memory; i++)
        complete = compare_place(run, frame, of, &layout->places[i], bases, contents, depth) && complete;
    return complete;
}

/* ---- collections ---- */

struct element_slot {
    uint32_t label, object;
    uint64_t addr;
};

struct elements {
    VEC(struct element_slot) slots; /* by object */
    struct map labels;              /* what a label is known by -> number + 1 */
    VEC(const char *) names;
    struct managed_value kind; /* of the values; its address means nothing */
    bool complete;
};

static uint32_t element_label(struct run *run, struct elements *elements, const struct collection_element *element, uint64_t index)
{
    struct text text = { 0 };
    uint64_t known_by = index, *slot;
    bool has_label = element->has_key && label_of_key(run, &element->key, &known_by);

    slot = map_slot(&elements->labels, known_by, NULL);
    if (!slot) {
        run->out_of_memory = true;
        return UINT32_MAX;
    }
    if (*slot) return (uint32_t)(*slot - 1);
    if (elements->names.count == ELEMENTS_MAX) return UINT32_MAX;
    *slot = elements->names.count + 1;
    if (has_label)
        label_text(run, &element->key, &text);
    else
        text_printf(&text, "%llu", (unsigned long long)index);
    if (!vec_push(&elements->names, arena_text(run, &text))) run->out_of_memory = true;
    text_deinit(&text);
    return (uint32_t)elements->names.count - 1;
}

/* Elements of one collection. Numbers are all taken into its content, others are kept to be compared one by one. */
static void add_elements(struct run *run, struct elements *elements, uint32_t object, uint64_t addr, uint64_t *content)
{
    struct collection collection;
    struct collection_iterator it;
    struct collection_element element;
    uint64_t index = 0;
    int64_t number;

    if (!collection_open(run->types, addr, &collection)) {
        elements->complete = false;
        return;
    }
    *content = mix(*content, collection.count);
    collection_begin(&collection, &it);
    for (; collection_next(&it, &element); index++) {
        struct element_slot slot = { 0, object, element.value.addr };

        if (!element.has_key && index < BULK_MAX && managed_number(run->clr, &element.value, &number)) {
            *content = mix(*content, (uint64_t)number);
            continue;
        }
        if (index >= ELEMENTS_MAX || elements->slots.count >= SLOTS_MAX) {
            elements->complete = false;
            break;
        }
        slot.label = element_label(run, elements, &element, index);
        elements->kind = element.value;
        if (slot.label == UINT32_MAX)
            elements->complete = false;
        else if (!vec_push(&elements->slots, slot))
            run->out_of_memory = true;
    }
    elements->complete = elements->complete && !it.damaged;
}

/* The elements with one label, of the collections that have it. */
static bool compare_label(struct run *run, const struct frame *frame, const struct column *of, const struct elements *elements,
                          uint32_t label, uint64_t *contents, unsigned depth)
{
    uint64_t *addrs = run_array(run, of->count, sizeof(*addrs)), *classes = run_array(run, of->count, sizeof(*classes));
    uint32_t *owner = run_array(run, of->count, sizeof(*owner));
    struct column column = { addrs, owner, 0, 0, elements->kind.element_type, elements->kind.value_mt, NULL, depth };
    struct outcome outcome = { .complete = true };
    size_t length = run->path.length;

    if (addrs && classes && owner) {
        for (size_t i = 0; i < elements->slots.count && column.count < of->count; i++) {
            const struct element_slot *slot = &elements->slots.data[i];

            if (slot->label != label || (column.count && owner[column.count - 1] == slot->object)) continue;
            addrs[column.count] = slot->addr;
            owner[column.count++] = slot->object;
        }
        column.absent = of->count - column.count;
        text_printf(&run->path, "[%s]", elements->names.data[label]);
        compare_column(run, frame, &column, classes, &outcome);
        path_cut(run, length);
        for (size_t i = 0; i < column.count; i++)
            contents[owner[i]] = mix(contents[owner[i]], mix(classes[i], label));
    }
    free(addrs);
    free(classes);
    free(owner);
    return outcome.complete;
}

static bool compare_elements(struct run *run, const struct frame *frame, const struct column *of, const uint64_t *objects,
                             uint64_t *contents, unsigned depth)
{
    struct elements elements = { .complete = true };

    map_init(&elements.labels);
    for (size_t i = 0; i < of->count && !run->out_of_memory; i++)
        add_elements(run, &elements, (uint32_t)i, objects[i], &contents[i]);
    for (uint32_t label = 0; label < elements.names.count && !run->out_of_memory; label++)
        elements.complete = compare_label(run, frame, of, &elements, label, contents, depth) && elements.complete;
    map_deinit(&elements.labels);
    vec_deinit(&elements.names);
    vec_deinit(&elements.slots);
    return elements.complete;
}

/* ---- objects ---- */

/* The different objects of a column. */
struct objects {
    uint64_t *addrs, *types, *contents;
    uint32_t *owner;          /* in the frame, of the first value that leads to it */
    uint32_t *index;          /* of each value of the column: its object, UINT32_MAX: null */
    size_t count, back_count; /* back: those that lead back */
    uint64_t nulls;
};

static void objects_deinit(struct objects *objects)
{
    free(objects->addrs);
    free(objects->types);
    free(objects->contents);
    free(objects->owner);
    free(objects->index);
}

static bool objects_init(struct run *run, const struct column *column, struct objects *ret)
{
    struct map seen;

    *ret = (struct objects) { 0 };
    ret->addrs = run_array(run, column->count, sizeof(*ret->addrs));
    ret->owner = run_array(run, column->count, sizeof(*ret->owner));
    ret->index = run_array(run, column->count, sizeof(*ret->index));
    map_init(&seen);
    for (size_t i = 0; i < column->count && !run->out_of_memory; i++) {
        uint64_t addr = 0, *slot;
        bool added = false;

        ret->index[i] = UINT32_MAX;
        if (!column_object(run, column, i, &addr)) {
            ret->nulls++;
            continue;
        }
        slot = map_slot(&seen, addr, &added);
        if (!slot) run->out_of_memory = true;
        if (!slot) break;
        if (added) {
            *slot = ret->count;
            ret->addrs[ret->count] = addr;
            ret->owner[ret->count++] = column->owner ? column->owner[i] : (uint32_t)i;
        }
        ret->index[i] = (uint32_t)*slot;
    }
    map_deinit(&seen);
    ret->types = run_array(run, ret->count, sizeof(*ret->types));
    ret->contents = run_array(run, ret->count, sizeof(*ret->contents));
    return !run->out_of_memory;
}

/* Does the object lead back to one on its way? Then how many steps. */
static bool leads_back(const struct frame *frame, uint32_t owner, uint64_t addr, unsigned *ret)
{
    for (*ret = 1; frame; (*ret)++) {
        if (frame->addrs[owner] == addr) return true;
        owner = frame->owner[owner];
        frame = frame->parent;
    }
    return false;
}

/* Types of the objects; what needs no further look gets its content. */
static void classify(struct run *run, const struct frame *frame, struct objects *objects, bool *complete_ret)
{
    for (size_t i = 0; i < objects->count; i++) {
        struct clr_object object;
        unsigned steps;

        if (leads_back(frame, objects->owner[i], objects->addrs[i], &steps)) {
            objects->contents[i] = mix(steps, 1);
            objects->back_count++;
        } else if (!clr_object_try(run->clr, objects->addrs[i], &object)) {
            *complete_ret = false;
        } else {
            objects->types[i] = object.type->mt_addr;
            objects->contents[i] = object.type->mt_addr;
            if (object_form(run, object.type->mt_addr) == OBJECT_ATOM) {
                objects->contents[i] = mix(object.type->mt_addr, atom_content(run, &object, complete_ret));
                objects->types[i] |= 1; /* done */
            }
        }
    }
}

/* Looks into those objects of one type that are several; an only one differs from all others by its type. */
static bool compare_group(struct run *run, const struct frame *frame, const struct column *column, struct objects *objects,
                          uint64_t mt_addr, bool is_only_type)
{
    uint64_t *addrs = run_array(run, objects->count, sizeof(*addrs)), *contents = run_array(run, objects->count, sizeof(*contents));
    uint32_t *owner = run_array(run, objects->count, sizeof(*owner));
    struct frame inner = { frame, addrs, owner };
    struct column of = { .depth = column->depth + 1 };
    size_t length = run->path.length;
    bool complete = true;

    if (addrs && contents && owner) {
        for (size_t i = 0; i < objects->count; i++) {
            if (objects->types[i] != mt_addr) continue;
            addrs[of.count] = objects->addrs[i];
            contents[of.count] = mt_addr;
            owner[of.count++] = objects->owner[i];
        }
        if (!is_only_type) {
            text_putc(&run->path, '(');
            managed_short_name(clr_type_name(run->clr, mt_addr), &run->path);
            text_putc(&run->path, ')');
        }
        if (of.count > 1 && of.depth > run->depth_max)
            complete = false;
        else if (of.count > 1 && object_form(run, mt_addr) == OBJECT_COLLECTION)
            complete = compare_elements(run, &inner, &of, addrs, contents, of.depth);
        else if (of.count > 1)
            complete = compare_fields(run, &inner, &of, run_layout(run, mt_addr, true, addrs[0]), addrs, contents, of.depth);
        path_cut(run, length);
        for (size_t i = 0, k = 0; i < objects->count; i++)
            if (objects->types[i] == mt_addr) objects->contents[i] = contents[k++];
    }
    free(addrs);
    free(contents);
    free(owner);
    return complete;
}

static bool compare_groups(struct run *run, const struct frame *frame, const struct column *column, struct objects *objects,
                           struct outcome *ret)
{
    uint64_t groups[GROUPS_MAX];
    size_t count = 0;
    bool complete = true, several = false;

    for (size_t i = 0; i < objects->count; i++) {
        size_t k = 0;

        several = several || (objects->types[i] & ~UINT64_C(1)) != (objects->types[0] & ~UINT64_C(1));
        if (!objects->types[i] || objects->types[i] & 1) continue;
        while (k < count && groups[k] != objects->types[i])
            k++;
        if (k < count) continue;
        if (count < GROUPS_MAX)
            groups[count++] = objects->types[i];
        else
            complete = false;
    }
    if (objects->count && !several) ret->type_mt = objects->types[0] & ~UINT64_C(1);
    for (size_t i = 0; i < count && !run->out_of_memory; i++)
        complete = compare_group(run, frame, column, objects, groups[i], !several) && complete;
    return complete;
}

/* Two objects of a type without Equals are two; those of others are told apart by what is in them. */
static void count_objects(struct run *run, const struct objects *objects, struct outcome *ret)
{
    ret->nulls = objects->nulls;
    ret->objects = objects->count + (objects->nulls > 0);
    ret->contents = count_distinct(objects->contents, objects->count) + (objects->nulls > 0);
    ret->equality = ret->type_mt ? run_equality(run, ret->type_mt) : EQUALITY_REFERENCE;
    for (size_t i = 0; i < objects->count && !ret->type_mt; i++)
        if (objects->types[i] && run_equality(run, objects->types[i] & ~UINT64_C(1)) != EQUALITY_REFERENCE)
            ret->equality = EQUALITY_OWN;
    /* A child that knows its parent is no difference of its own. */
    if (objects->back_count && objects->back_count == objects->count) ret->equality = EQUALITY_VALUE;
    ret->distinct = ret->equality == EQUALITY_REFERENCE ? objects->count + (objects->nulls > 0) : ret->contents;
}

static void compare_objects(struct run *run, const struct frame *frame, const struct column *column, uint64_t *classes,
                            struct outcome *ret)
{
    struct objects objects;

    if (objects_init(run, column, &objects)) {
        if (objects.count > 1) {
            classify(run, frame, &objects, &ret->complete);
            ret->complete = compare_groups(run, frame, column, &objects, ret) && ret->complete;
        } else if (objects.count) {
            struct clr_object object;

            if (clr_object_try(run->clr, objects.addrs[0], &object)) objects.types[0] = ret->type_mt = object.type->mt_addr;
            objects.contents[0] = ret->type_mt;
        }
        count_objects(run, &objects, ret);
        for (size_t i = 0; i < column->count; i++)
            classes[i] = objects.index[i] == UINT32_MAX ? 0 : mix(objects.contents[objects.index[i]], 2);
    }
    objects_deinit(&objects);
}

/* ---- columns ---- */

static void compare_numbers(struct run *run, const struct column *column, uint64_t *classes, struct outcome *ret)
{
    int64_t number;

    for (size_t i = 0; i < column->count; i++) {
        struct managed_value value = { column->addrs[i], column->element_type, column->value_mt };

        if (managed_number(run->clr, &value, &number))
            classes[i] = (uint64_t)number;
        else
            ret->complete = false;
    }
    ret->distinct = ret->contents = count_distinct(classes, column->count);
    ret->grows = ret->contents == column->count && is_growing(classes, column->count);
}

static void compare_structs(struct run *run, const struct frame *frame, const struct column *column, uint64_t *classes,
                            struct outcome *ret)
{
    const struct value_layout *layout = column->value_mt ? run_layout(run, column->value_mt, false, column->addrs[0]) : NULL;

    ret->complete = compare_fields(run, frame, column, layout, column->addrs, classes, column->depth);
    ret->distinct = ret->contents = count_distinct(classes, column->count);
    ret->objects = column->count;
    ret->type_mt = column->value_mt;
}

static bool compare_column(struct run *run, const struct frame *frame, const struct column *column, uint64_t *classes,
                           struct outcome *ret)
{
    size_t row = 0;
    /* The fields of a struct have rows; it has one itself only when it is what was asked for. */
    bool has_row = column->element_type != ELEMENT_VALUETYPE || !column->depth;

    *ret = (struct outcome) { .complete = true };
    run->differ->values += column->count;
    if (!column->count || run->out_of_memory) return false;
    if (run->differ->values > VALUES_MAX || (has_row && !row_reserve(run, column, &row))) {
        run->differ->complete = ret->complete = false;
        return false;
    }
    if (column->element_type == ELEMENT_CLASS || column->element_type == ELEMENT_OBJECT)
        compare_objects(run, frame, column, classes, ret);
    else if (column->element_type == ELEMENT_VALUETYPE)
        compare_structs(run, frame, column, classes, ret);
    else
        compare_numbers(run, column, classes, ret);
    if (column->absent) {
        ret->contents++;
        ret->distinct++;
    }
    if (has_row && !run->out_of_memory) row_finish(run, row, column, classes, ret);
    return true;
}

/* ---- the whole ---- */

static int compare_slots(const void *a, const void *b)
{
    uint64_t left = ((const uint64_t *)a)[0], right = ((const uint64_t *)b)[0];

    return left < right ? -1 : left > right;
}

/* Slots in the order of what they refer to, which is the order in which the objects were made, as the GC keeps it. */
static uint64_t *slots_by_age(struct run *run, const struct managed_value *values, size_t count)
{
    uint64_t(*pairs)[2] = run_array(run, count, sizeof(*pairs)), *ret = run_array(run, count, sizeof(*ret));

    for (size_t i = 0; pairs && ret && i < count; i++) {
        pairs[i][1] = values[i].addr;
        if (values[i].element_type != ELEMENT_CLASS || !memory_try_u64(run->clr->memory, values[i].addr, &pairs[i][0]))
            pairs[i][0] = values[i].addr;
    }
    if (pairs && ret && count) qsort(pairs, count, sizeof(*pairs), compare_slots);
    for (size_t i = 0; pairs && ret && i < count; i++)
        ret[i] = pairs[i][1];
    free(pairs);
    return ret;
}

struct error *differ_init(struct differ *ret, struct collection_types *types, const struct managed_value *values, size_t count,
                          const struct differ_options *options)
{
    struct run run = { .differ = ret, .types = types, .clr = types->clr, .with_equal = options && options->with_equal };
    struct outcome outcome;
    uint64_t *addrs, *classes;

    *ret = (struct differ) { .complete = true };
    arena_init(&ret->arena);
    run.depth_max = options && options->depth ? options->depth : DIFFER_DEPTH;
    if (run.depth_max > DIFFER_DEPTH_MAX) run.depth_max = DIFFER_DEPTH_MAX;
    addrs = slots_by_age(&run, values, count);
    classes = run_array(&run, count, sizeof(*classes));
    if (addrs && classes && count && count < UINT32_MAX) {
        struct column column = { addrs, NULL, count, 0, values[0].element_type, values[0].value_mt, NULL, 0 };

        compare_column(&run, NULL, &column, classes, &outcome);
        /* All is equal but not the same: then it matters which parts are objects of their own, however deep. */
        if (outcome.contents == 1 && outcome.equality != EQUALITY_REFERENCE && !run.out_of_memory) {
            run.with_identity = true;
            ret->rows.count = 0;
            ret->equal_count = 0;
            memset(classes, 0, count * sizeof(*classes));
            compare_column(&run, NULL, &column, classes, &outcome);
        }
        ret->complete = ret->complete && outcome.complete;
    }
    free(addrs);
    free(classes);
    map_deinit(&run.layouts);
    map_deinit(&run.equalities);
    text_deinit(&run.path);
    if (!run.out_of_memory) return NULL;
    differ_deinit(ret);
    return &error_enomem;
}

void differ_deinit(struct differ *differ)
{
    vec_deinit(&differ->rows);
    arena_deinit(&differ->arena);
}
