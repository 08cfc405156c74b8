#include "managed/differ.h"

#include <string.h>

#include "managed/instances.h"
#include "relations/relation.h"
#include "session/session.h"

/* Why like objects are different: the fields of all of them, compared. */
struct differ_cursor {
    struct session *session;
    struct clr *clr;
    struct collection_types types;
    bool types_begun;
    VEC(struct managed_value) values;
    struct differ differ;
    bool differ_begun;
    size_t index;
};

enum { PATH, TYPE, DISTINCT, OF, VERDICT, COMPARED, CONTENTS, NULLS, EXAMPLES, DEPTH, COMPLETE };
enum { KEYS_OF, VALUES_OF, ELEMENTS_OF, OF_TYPE, MAX_DEPTH, ALL };
enum { OBJECTS_MAX = 1 << 22 };

static struct error *add_elements(struct differ_cursor *cursor, uint64_t addr, bool keys)
{
    struct collection collection;
    struct collection_iterator it;
    struct collection_element element;

    if (!collection_open(&cursor->types, addr, &collection))
        return error_fault(addr, "no collection at '%llx'", (unsigned long long)addr);
    collection_begin(&collection, &it);
    while (collection_next(&it, &element) && cursor->values.count < OBJECTS_MAX) {
        if (keys && !element.has_key)
            return error_create(ERROR_USAGE, "the collection '%llx' has no keys", (unsigned long long)addr);
        if (!vec_push(&cursor->values, keys ? element.key : element.value)) return &error_enomem;
    }
    return NULL;
}

/* The whole name, or its last part. */
static bool is_named(const char *type, const char *name)
{
    struct text text = { 0 };
    bool ret = !strcmp(type, name);

    if (!ret) {
        managed_short_name(type, &text);
        ret = !strcmp(text_cstr(&text), name);
    }
    text_deinit(&text);
    return ret;
}

struct wanted {
    struct clr *clr;
    const char *name;
};

static bool is_wanted(void *user, uint64_t mt_addr)
{
    const struct wanted *wanted = user;

    return is_named(clr_type_name(wanted->clr, mt_addr), wanted->name);
}

static struct error *add_objects(struct differ_cursor *cursor, const char *name)
{
    struct wanted wanted = { cursor->clr, name };
    address_list objects = { 0 };
    const struct gc_heaps *heaps;
    struct error *err;

    TRY(session_gc_heaps(cursor->session, &heaps));
    err = instances_find(cursor->clr, heaps, is_wanted, &wanted, OBJECTS_MAX, &objects);
    for (size_t i = 0; i < objects.count && !err; i++) {
        struct managed_value value = { objects.data[i], ELEMENT_OBJECT, 0 };
        if (!vec_push(&cursor->values, value)) err = &error_enomem;
    }
    vec_deinit(&objects);
    return err;
}

static struct error *differ_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct differ_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;
    struct differ_options options = { .with_equal = arguments[ALL].given };

    cursor->session = session;
    if (arguments[MAX_DEPTH].given) options.depth = (unsigned)(arguments[MAX_DEPTH].u & 0xff);
    if (arguments[KEYS_OF].given + arguments[VALUES_OF].given + arguments[ELEMENTS_OF].given + arguments[OF_TYPE].given != 1)
        return error_create(ERROR_USAGE, "compare what: -keys-of, -values-of or -elements-of COLLECTION, or -type NAME");
    TRY(session_clr(session, &cursor->clr));
    collection_types_init(&cursor->types, cursor->clr);
    cursor->types_begun = true;
    if (arguments[OF_TYPE].given)
        TRY(add_objects(cursor, arguments[OF_TYPE].s));
    else if (arguments[KEYS_OF].given)
        TRY(add_elements(cursor, arguments[KEYS_OF].u, true));
    else
        TRY(add_elements(cursor, arguments[VALUES_OF].given ? arguments[VALUES_OF].u : arguments[ELEMENTS_OF].u, false));
    TRY(differ_init(&cursor->differ, &cursor->types, cursor->values.data, cursor->values.count, &options));
    cursor->differ_begun = true;
    return NULL;
}

static struct error *differ_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct differ_cursor *cursor = cursor_;
    const struct differ_row *found;

    *more_ret = cursor->index < cursor->differ.rows.count;
    if (!*more_ret) return NULL;
    found = &cursor->differ.rows.data[cursor->index++];
    value_text(&row[PATH], *found->path ? found->path : "(object)");
    if (*found->type) value_text(&row[TYPE], found->type);
    value_u64(&row[DISTINCT], found->distinct);
    value_u64(&row[OF], found->of);
    value_text(&row[VERDICT], differ_verdict_names[found->verdict]);
    value_text(&row[COMPARED], differ_equality_names[found->equality]);
    value_u64(&row[CONTENTS], found->contents);
    value_u64(&row[NULLS], found->nulls);
    value_text(&row[EXAMPLES], found->examples);
    value_u64(&row[DEPTH], found->depth);
    value_u64(&row[COMPLETE], found->complete);
    return NULL;
}

static void differ_end(void *cursor_)
{
    struct differ_cursor *cursor = cursor_;

    if (cursor->differ_begun) differ_deinit(&cursor->differ);
    if (cursor->types_begun) collection_types_deinit(&cursor->types);
    vec_deinit(&cursor->values);
}

static void differ_footer(void *cursor_, struct text *ret)
{
    const struct differ_cursor *cursor = cursor_;

    text_printf(ret, "%zu compared; %llu fields are equal in all", cursor->values.count,
                (unsigned long long)cursor->differ.equal_count);
    if (!cursor->differ.complete) text_puts(ret, "; not all was compared: -depth N goes further, complete tells where it ended");
}

static const struct column columns[] = {
    { "path", COLUMN_TEXT, "from the object to the field; [key] goes into a collection" },
    { "type", COLUMN_TEXT, "of the values" },
    { "distinct", COLUMN_COUNT, "different values, as the type's equality tells them apart" },
    { "of", COLUMN_COUNT, "values: the different objects that have this field" },
    { "verdict", COLUMN_TEXT,
      "equal; varies (k of n); content (another value in each); grows (the same, in order of age); identity (other objects of "
      "equal "
      "content, compared by reference); unclear (equal as far as it was compared)" },
    { "compared", COLUMN_TEXT, "how two values are told apart: value, own Equals, reference" },
    { "contents", COLUMN_COUNT, "different contents", COLUMN_VERBOSE },
    { "nulls", COLUMN_COUNT, "null, or absent in a collection", COLUMN_VERBOSE },
    { "examples", COLUMN_TEXT, "some of the values" },
    { "depth", COLUMN_NUMBER, "objects on the path", COLUMN_VERBOSE },
    { "complete", COLUMN_BOOL, "everything below was compared", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "keys_of", "-keys-of", PARAMETER_ADDRESS, false, "the keys of this dictionary" },
    { "values_of", "-values-of", PARAMETER_ADDRESS, false, "the values of this dictionary" },
    { "elements_of", "-elements-of", PARAMETER_ADDRESS, false, "the elements of this list, set or array" },
    { "type", "-type", PARAMETER_TEXT, false, "all objects of the type with this name, or last part of it" },
    { "depth", "-depth", PARAMETER_NUMBER, false, "objects on a path; 6 unless told, at most 16" },
    { "all", "-all", PARAMETER_SWITCH, false, "also fields that are equal in all" },
};

const struct relation relation_differ = {
    .name = "differ",
    .summary = "why like objects are different: their fields, compared",
    .description =
        "Compares the keys of a dictionary, the elements of a collection, or all objects of a type field by field, through "
        "the objects and collections that they refer to. What is one object in all is not looked into.",
    .topic = "answers",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "differ" } },
    .empty = "there is nothing to compare: no such objects, or an empty collection",
    .cursor_size = sizeof(struct differ_cursor),
    .begin = differ_begin,
    .next = differ_next,
    .end = differ_end,
    .footer = differ_footer,
};
