/*
 * A relation is the one way facts leave the program: a name, typed columns, and an iterator that pulls rows. Commands, SOS aliases,
 * help, manual, completion, JSON, CSV, SQL and the web page all derive from it. One file per relation in this folder; the registry
 * (relations_all) is generated from the files by tools/make_registry, so nothing else has to be edited.
 *
 * A relation's file reads upward: types, small helpers, begin/next/end, and last the const table that registers it:
 *
 *     const struct relation relation_modules = { .name = "modules", ... };
 */
#ifndef CLRTRAIL_RELATIONS_RELATION_H
#define CLRTRAIL_RELATIONS_RELATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

struct session;

enum column_kind {
    COLUMN_ADDRESS, /* target address; "0x..." in JSON, 16 digits in text */
    COLUMN_BYTES,   /* size; integer in JSON, grouped digits or units in text */
    COLUMN_COUNT,   /* number of things */
    COLUMN_CHANGE,  /* by how much a size or number changed: int64_t in `u`, may be negative; "+12" in text, integer in JSON */
    COLUMN_NUMBER,  /* an identity or small number: never grouped, never summed (thread id, generation) */
    COLUMN_TOKEN,   /* metadata token or flags; "0x02000001" */
    COLUMN_TEXT,
    COLUMN_BOOL,
    COLUMN_SHARE, /* 0..1; per cent in text */
    COLUMN_JSON,  /* text that is one JSON value already; printed raw in JSON, never in tables */
};

enum column_flag {
    COLUMN_VERBOSE = 1,   /* in text tables only with --verbose or --columns; always in JSON and CSV */
    COLUMN_TEXT_ONLY = 2, /* never in JSON or CSV */
};

struct column {
    const char *name;
    enum column_kind kind;
    const char *help;
    unsigned flags;
};

struct value {
    bool known; /* false prints as null / "-" ; never 0 or "" for what is unknown */
    union {
        uint64_t u;
        double share;
        struct {
            const char *s; /* borrowed until the next call of `next` or `end`; UTF-8, hostile */
            size_t length;
        };
    };
};

static inline void value_u64(struct value *v, uint64_t u)
{
    v->known = true;
    v->u = u;
}
static inline void value_change(struct value *v, int64_t change)
{
    value_u64(v, (uint64_t)change);
}
static inline void value_share(struct value *v, double share)
{
    v->known = true;
    v->share = share;
}
/* NULL is unknown. */
void value_text(struct value *v, const char *s);
void value_textn(struct value *v, const char *s, size_t length);
static inline void value_unknown(struct value *v)
{
    v->known = false;
}

enum parameter_kind {
    PARAMETER_ADDRESS, /* hexadecimal, 0x optional */
    PARAMETER_NUMBER,  /* decimal, or 0x hexadecimal; SOS's -min and -max are hexadecimal in SOS, decimal here unless 0x */
    PARAMETER_TEXT,
    PARAMETER_SWITCH, /* present or not */
};

/* An argument of a relation. `flag` NULL: positional, in order. */
struct parameter {
    const char *name; /* "module" */
    const char *flag; /* "-mt", NULL */
    enum parameter_kind kind;
    bool required;
    const char *help;
};

enum { RELATION_MAX_PARAMETERS = 12, RELATION_MAX_COMMANDS = 8, RELATION_MAX_COLUMNS = 40 };

struct argument {
    bool given;
    uint64_t u;
    const char *s;
};

enum command_layout { LAYOUT_TABLE, LAYOUT_RECORD /* one `name: value` line a column, for one-row answers */ };

/*
 * A way to ask for the relation. `name` is its words: "modules", "dumpheap -stat" (the words after the first must all be
 * present, anywhere; the command that matches most words wins). The defaults are in the syntax of the options of the same name and
 * give way to what the user says.
 */
struct command {
    const char *name;
    const char *where;
    const char *sort;
    const char *columns; /* "method_table,count,size,type" */
    const char *titles;  /* column heads in the same order, separated by |: "MT|Count|TotalSize|Class Name" (SOS's words) */
    const char *group;
    enum command_layout layout;
    const char
        *bare; /* parameters that arguments without a flag mean, in order ("module" or "in,name"); NULL: those without a flag */
    const char *help; /* how it differs from the main command; NULL for none */
};

/* What the relation is asked, handed to `begin`. Borrowed until `end`. */
struct request {
    const struct argument *arguments; /* as many as the relation has parameters */
    uint64_t columns_needed;          /* bit i: column i will be looked at; others need not be filled */
};

/*
 * How rows of the relation in several dumps are matched by `diff`: addresses move, so it says what else a thing is known by. Rows
 * of one dump with the same key are one thing, their counts and bytes added up.
 */
struct growth {
    const char *kind;     /* what a row is: "type"; NULL: the relation is not compared */
    const char *key;      /* text columns, "kind,type" */
    const char *count;    /* column, NULL: rows are counted */
    const char *bytes;    /* column, NULL: none */
    const char *retained; /* column instead of `bytes` when retained sizes are asked for, NULL: none */
    unsigned rank;        /* place among the kinds, lowest first */
    bool when_asked;      /* only when the kind is named: it takes long */
};

struct relation {
    const char *name;
    const char *summary;     /* one line */
    const char *description; /* a paragraph for help and the manual; NULL for none */
    const struct column *columns;
    unsigned column_count;
    const struct parameter *parameters;
    unsigned parameter_count;
    struct command commands[RELATION_MAX_COMMANDS]; /* the first is the relation's own name */
    const char *group_by; /* column to group by when far too many rows would flood a terminal; NULL: show the first rows */
    const char *empty;    /* why an empty result may be empty, for text */
    size_t cursor_size;   /* zeroed before begin */
    bool hidden;          /* no command of its own in help (used by other surfaces) */
    bool without_dump;    /* a command without a TARGET ("rules", "ps"): `begin` gets no session */
    struct growth growth; /* zero: `diff` leaves it out */
    const char *topic;    /* heading under which help lists it ("GC heap"); NULL: the last, "more" */

    struct error *(*begin)(struct session *session, const struct request *request, void *cursor);
    /* Fills `row` (column_count values, all unknown before the call). *more_ret false: there was no row. */
    struct error *(*next)(void *cursor, struct value *row, bool *more_ret);
    void (*end)(void *cursor); /* called also when begin failed; may be NULL */
    /* One or more lines for people below the table, after the last row ("Total 424,141 objects, 27,998,774 bytes"). May be NULL. */
    void (*footer)(void *cursor, struct text *ret);
};

/* Generated: all relations, sorted by name, NULL at the end. */
extern const struct relation *const relations_all[];

/* The relation of that name in a NULL-terminated list, NULL if none. Case does not matter, `-` and `_` are the same. */
const struct relation *relation_find(const struct relation *const *relations, const char *name);
/* The index of the column of that name (compared likewise), -1 if none. */
int relation_column(const struct relation *relation, const char *name);
/* "address", "bytes", ...: the word that machine output uses. */
const char *column_kind_name(enum column_kind kind);
/* How names of relations, columns, commands and options are compared: ASCII case does not matter, `-` and `_` are the same. */
bool name_equal(const char *a, const char *b);
bool name_equaln(const char *a, const char *b, size_t b_length);

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
