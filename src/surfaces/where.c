#include "surfaces/where.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "surfaces/cell.h"
#include "surfaces/number.h"
#include "surfaces/words.h"

enum {
    WHERE_NESTING = 64, /* parentheses inside parentheses */
    WHERE_STACK = 2 * WHERE_NESTING + 4,
};

enum where_code {
    OP_EQUAL,
    OP_NOT_EQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_CONTAINS,
    OP_CONTAINS_NOT,
    OP_IS_NULL,
    OP_IS_NOT_NULL,
    OP_YES, /* a yes/no column alone */
    OP_AND,
    OP_OR,
    OP_NOT,
};

struct where_op {
    enum where_code code;
    enum column_kind kind;
    unsigned column;
    int other_column;     /* compare with this column, -1: with `literal` */
    struct value literal; /* text lives in the arena */
};

/* Kleene's three values: `and` is the least, `or` the greatest, `not` the sign. */
enum { NO = -1, UNKNOWN = 0, YES = 1 };

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_OPERATOR, TOKEN_OPEN, TOKEN_CLOSE };

struct token {
    enum token_kind kind;
    const char *s;
    size_t length;
    enum where_code op;
};

struct parser {
    struct where *where;
    const struct relation *relation;
    const char *at;
    struct token token; /* the one in hand */
    unsigned nesting;
    unsigned depth; /* of the stack when the program has run so far */
};

static const struct {
    const char *name;
    enum where_code code;
} operators[] = {
    /* longer ones first */
    { "==", OP_EQUAL },        { "!=", OP_NOT_EQUAL }, { "<>", OP_NOT_EQUAL }, { "<=", OP_LESS_EQUAL }, { ">=", OP_GREATER_EQUAL },
    { "!~", OP_CONTAINS_NOT }, { "=", OP_EQUAL },      { "<", OP_LESS },       { ">", OP_GREATER },     { "~", OP_CONTAINS },
};

/* ---- reading ---- */

static bool word_char(char c)
{
    return c && !isspace((unsigned char)c) && !strchr("()=!<>~'\"", c);
}

static struct error *next_string(struct parser *p)
{
    char quote = *p->at;
    const char *end = strchr(p->at + 1, quote);

    if (!end) return error_create(ERROR_USAGE, "condition: the quote of %s has no end", p->at);
    p->token = (struct token) { .kind = TOKEN_STRING, .s = p->at + 1, .length = (size_t)(end - p->at - 1) };
    p->at = end + 1;
    return NULL;
}

static bool next_operator(struct parser *p)
{
    for (size_t i = 0; i < ARRAY_COUNT(operators); i++) {
        size_t length = strlen(operators[i].name);

        if (strncmp(p->at, operators[i].name, length) != 0) continue;
        p->token = (struct token) { .kind = TOKEN_OPERATOR, .s = p->at, .length = length, .op = operators[i].code };
        p->at += length;
        return true;
    }
    return false;
}

static struct error *parser_next(struct parser *p)
{
    const char *start;

    while (isspace((unsigned char)*p->at))
        p->at++;
    start = p->at;
    if (*start == '\'' || *start == '"') return next_string(p);
    if (next_operator(p)) return NULL;
    if (*start == '(' || *start == ')') {
        p->token = (struct token) { .kind = *start == '(' ? TOKEN_OPEN : TOKEN_CLOSE, .s = start, .length = 1 };
        p->at++;
        return NULL;
    }
    while (word_char(*p->at))
        p->at++;
    p->token = (struct token) { .kind = *start ? TOKEN_WORD : TOKEN_END, .s = start, .length = (size_t)(p->at - start) };
    if (*start && p->at == start) return error_create(ERROR_USAGE, "condition: '%c' makes no sense here", *start);
    return NULL;
}

static bool is_word(const struct parser *p, const char *word)
{
    const struct token *t = &p->token;

    return t->kind == TOKEN_WORD && t->length == strlen(word) && !strncasecmp(t->s, word, t->length);
}

static struct error *expected(const struct parser *p, const char *what)
{
    if (p->token.kind == TOKEN_END) return error_create(ERROR_USAGE, "condition: %s expected at its end", what);
    return error_create(ERROR_USAGE, "condition: %s expected instead of '%.*s'", what, (int)p->token.length, p->token.s);
}

/* ---- compiling ---- */

static struct error *emit(struct parser *p, struct where_op op)
{
    if (op.code == OP_AND || op.code == OP_OR)
        p->depth--;
    else if (op.code != OP_NOT)
        p->depth++;
    if (p->depth > WHERE_STACK) return error_create(ERROR_USAGE, "condition: nested too deeply");
    return vec_push(&p->where->ops, op) ? NULL : &error_enomem;
}

static struct error *unknown_column(const struct relation *relation, const char *name)
{
    struct suggestion suggestion;

    suggestion_init(&suggestion, name);
    for (unsigned i = 0; i < relation->column_count; i++)
        suggestion_add(&suggestion, relation->columns[i].name);
    return suggestion_error(&suggestion, "column");
}

static int token_column(const struct parser *p)
{
    for (unsigned i = 0; i < p->relation->column_count; i++)
        if (name_equaln(p->relation->columns[i].name, p->token.s, p->token.length)) return (int)i;
    return -1;
}

static struct error *parse_column(struct parser *p, unsigned *ret)
{
    int column;
    char *name;

    if (p->token.kind != TOKEN_WORD) return expected(p, "a column");
    column = token_column(p);
    if (column < 0) {
        name = arena_strndup(&p->where->arena, p->token.s, p->token.length);
        return name ? unknown_column(p->relation, name) : &error_enomem;
    }
    *ret = (unsigned)column;
    p->where->columns |= UINT64_C(1) << column;
    return parser_next(p);
}

static bool parse_bool(const struct parser *p, uint64_t *ret)
{
    *ret = is_word(p, "yes") || is_word(p, "true") || is_word(p, "1");
    return *ret || is_word(p, "no") || is_word(p, "false") || is_word(p, "0");
}

/* A number that may have a sign. */
static bool parse_change(const char *s, size_t length, uint64_t *ret)
{
    bool is_negative = length && *s == '-', has_sign = is_negative || (length && *s == '+');
    uint64_t size;

    if (!number_parse(s + has_sign, length - has_sign, &size) || size > INT64_MAX) return false;
    *ret = is_negative ? -size : size;
    return true;
}

static bool literal_parse(struct parser *p, enum column_kind kind, struct value *ret)
{
    const struct token *t = &p->token;

    ret->known = true;
    switch (kind) {
    case COLUMN_ADDRESS:
    case COLUMN_TOKEN:
        return number_parse_address(t->s, t->length, &ret->u);
    case COLUMN_BOOL:
        return parse_bool(p, &ret->u);
    case COLUMN_SHARE:
        return number_parse_share(t->s, t->length, &ret->share);
    case COLUMN_CHANGE:
        return parse_change(t->s, t->length, &ret->u);
    default:
        return number_parse(t->s, t->length, &ret->u);
    }
}

/* "1.5 GiB": the unit may stand apart from its number. */
static struct error *join_unit(struct parser *p)
{
    static const char *const names[] = { "B", "K", "KB", "KiB", "M", "MB", "MiB", "G", "GB", "GiB", "T", "TB", "TiB", "%" };
    const char *start = p->token.s, *rest = p->at;
    struct parser ahead = *p;

    if (p->token.kind != TOKEN_WORD || !isdigit((unsigned char)*start)) return NULL;
    if (!isspace((unsigned char)*rest)) return NULL;
    TRY(parser_next(&ahead));
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (!is_word(&ahead, names[i])) continue;
        p->at = ahead.at;
        p->token.length = (size_t)(p->at - start);
        break;
    }
    return NULL;
}

static struct error *parse_text_value(struct parser *p, struct where_op *op)
{
    char *copy = arena_strndup(&p->where->arena, p->token.s, p->token.length);

    if (!copy) return &error_enomem;
    value_textn(&op->literal, copy, p->token.length);
    return parser_next(p);
}

static bool comparable(enum column_kind a, enum column_kind b)
{
    return !kind_is_text(b) && (a == COLUMN_SHARE) == (b == COLUMN_SHARE) && (a == COLUMN_CHANGE) == (b == COLUMN_CHANGE);
}

static struct error *parse_value(struct parser *p, struct where_op *op)
{
    int other;

    if (p->token.kind != TOKEN_WORD && p->token.kind != TOKEN_STRING) return expected(p, "a value");
    if (kind_is_text(op->kind) || op->code == OP_CONTAINS || op->code == OP_CONTAINS_NOT) return parse_text_value(p, op);
    TRY(join_unit(p));
    if (literal_parse(p, op->kind, &op->literal)) return parser_next(p);
    other = p->token.kind == TOKEN_WORD ? token_column(p) : -1;
    if (other >= 0 && comparable(op->kind, p->relation->columns[other].kind)) {
        op->other_column = other;
        p->where->columns |= UINT64_C(1) << other;
        return parser_next(p);
    }
    return error_create(ERROR_USAGE, "condition: '%.*s' is no value for column '%s', which holds %s", (int)p->token.length,
                        p->token.s, p->relation->columns[op->column].name, column_kind_name(op->kind));
}

static struct error *parse_is(struct parser *p, struct where_op *op)
{
    TRY(parser_next(p));
    op->code = OP_IS_NULL;
    if (is_word(p, "not")) {
        op->code = OP_IS_NOT_NULL;
        TRY(parser_next(p));
    }
    return is_word(p, "null") ? parser_next(p) : expected(p, "'null'");
}

static struct error *parse_test(struct parser *p)
{
    struct where_op op = { .other_column = -1 };
    const struct column *column;

    TRY(parse_column(p, &op.column));
    column = &p->relation->columns[op.column];
    op.kind = column->kind;
    if (is_word(p, "is")) {
        TRY(parse_is(p, &op));
    } else if (p->token.kind == TOKEN_OPERATOR) {
        op.code = p->token.op;
        TRY(parser_next(p));
        TRY(parse_value(p, &op));
    } else if (op.kind == COLUMN_BOOL) {
        op.code = OP_YES;
    } else {
        return error_create(ERROR_USAGE, "condition: column '%s' is not a yes/no column; compare it with a value", column->name);
    }
    return emit(p, op);
}

static struct error *parse_or(struct parser *p);

static struct error *parse_factor(struct parser *p)
{
    bool negated = false;

    while (is_word(p, "not")) {
        negated = !negated;
        TRY(parser_next(p));
    }
    if (p->token.kind != TOKEN_OPEN) {
        TRY(parse_test(p));
    } else {
        if (++p->nesting > WHERE_NESTING) return error_create(ERROR_USAGE, "condition: nested too deeply");
        TRY(parser_next(p));
        TRY(parse_or(p));
        if (p->token.kind != TOKEN_CLOSE) return expected(p, "')'");
        TRY(parser_next(p));
        p->nesting--;
    }
    return negated ? emit(p, (struct where_op) { .code = OP_NOT }) : NULL;
}

static struct error *parse_and(struct parser *p)
{
    TRY(parse_factor(p));
    while (is_word(p, "and")) {
        TRY(parser_next(p));
        TRY(parse_factor(p));
        TRY(emit(p, (struct where_op) { .code = OP_AND }));
    }
    return NULL;
}

static struct error *parse_or(struct parser *p)
{
    TRY(parse_and(p));
    while (is_word(p, "or")) {
        TRY(parser_next(p));
        TRY(parse_and(p));
        TRY(emit(p, (struct where_op) { .code = OP_OR }));
    }
    return NULL;
}

static struct error *parse_all(struct parser *p)
{
    TRY(parser_next(p));
    TRY(parse_or(p));
    return p->token.kind == TOKEN_END ? NULL : expected(p, "'and', 'or' or the end (a value with spaces or signs needs quotes)");
}

struct error *where_compile(struct where *where, const struct relation *relation, const char *expression)
{
    struct parser parser = { .where = where, .relation = relation, .at = expression };
    struct error *err;

    *where = (struct where) { 0 };
    arena_init(&where->arena);
    err = parse_all(&parser);
    if (err) where_deinit(where);
    return err;
}

void where_deinit(struct where *where)
{
    vec_deinit(&where->ops);
    arena_deinit(&where->arena);
}

/* ---- running ---- */

static bool contains(const struct value *in, const struct value *what)
{
    if (what->length > in->length) return false;
    for (size_t i = 0; i <= in->length - what->length; i++)
        if (!strncasecmp(in->s + i, what->s, what->length)) return true;
    return what->length == 0;
}

/* Numbers are searched in the form in which tables show them. */
static bool cell_contains(enum column_kind kind, const struct value *value, const struct value *what)
{
    struct text text = { 0 };
    struct value shown;
    bool found;

    if (kind_is_text(kind)) return contains(value, what);
    cell_append(&text, kind, value);
    value_textn(&shown, text_cstr(&text), text.length);
    found = contains(&shown, what);
    text_deinit(&text);
    return found;
}

static bool order_matches(enum where_code code, int order)
{
    switch (code) {
    case OP_EQUAL:
        return order == 0;
    case OP_NOT_EQUAL:
        return order != 0;
    case OP_LESS:
        return order < 0;
    case OP_LESS_EQUAL:
        return order <= 0;
    case OP_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

static int test(const struct where_op *op, const struct value *row)
{
    const struct value *value = &row[op->column];
    const struct value *with = op->other_column < 0 ? &op->literal : &row[op->other_column];
    bool matches;

    if (op->code == OP_IS_NULL || op->code == OP_IS_NOT_NULL) return value->known == (op->code == OP_IS_NOT_NULL) ? YES : NO;
    if (!value->known) return UNKNOWN;
    if (op->code == OP_YES) return value->u ? YES : NO;
    if (!with->known) return UNKNOWN;
    if (op->code == OP_CONTAINS || op->code == OP_CONTAINS_NOT)
        matches = cell_contains(op->kind, value, with) == (op->code == OP_CONTAINS);
    else
        matches = order_matches(op->code, value_compare(op->kind, value, with));
    return matches ? YES : NO;
}

bool where_matches(const struct where *where, const struct value *row)
{
    int stack[WHERE_STACK];
    unsigned top = 0;

    for (size_t i = 0; i < where->ops.count; i++) {
        const struct where_op *op = &where->ops.data[i];

        if (op->code == OP_NOT) {
            stack[top - 1] = -stack[top - 1];
        } else if (op->code == OP_AND || op->code == OP_OR) {
            int right = stack[--top], left = stack[top - 1];

            stack[top - 1] = (left < right) == (op->code == OP_AND) ? left : right;
        } else {
            stack[top++] = test(op, row);
        }
    }
    return top == 0 || stack[0] == YES;
}
