/*
 * Errors as values.
 *
 * A function that can fail returns `struct error *`: NULL for success, else an error that the caller owns and passes on or
 * destroys. Results go through `ret` and are untouched on failure. Where failure is expected and frequent (a walk over a
 * damaged heap) use a `try_` function that returns bool and allocates nothing.
 *
 * Messages: lower case, what failed first, the subject in quotes, no full stop:
 *     cannot read method table '7f3a10c8': address not in dump
 */
#ifndef CLRTRAIL_BASE_ERROR_H
#define CLRTRAIL_BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

enum error_code {
    ERROR_NOMEM,       /* our own memory is exhausted */
    ERROR_NOT_FOUND,   /* the thing asked for does not exist */
    ERROR_FAULT,       /* address not in the dump */
    ERROR_BAD_DATA,    /* bytes are there but make no sense */
    ERROR_UNSUPPORTED, /* understood, not supported */
    ERROR_LIMIT,       /* a named limit was reached */
    ERROR_IO,          /* the operating system refused */
    ERROR_USAGE,       /* the user's command makes no sense */
    ERROR_CANCELLED,
};

struct error {
    enum error_code code;
    char *message;    /* owned */
    uint64_t addr;    /* target address where it was seen, 0 if none */
    const char *file; /* source position where first seen */
    int line;
};

extern struct error error_enomem;
extern struct error error_not_found;

struct error *error_create_at(enum error_code code, uint64_t addr, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
#define error_create(code, ...) error_create_at((code), 0, __FILE__, __LINE__, __VA_ARGS__)
#define error_fault(addr, ...) error_create_at(ERROR_FAULT, (addr), __FILE__, __LINE__, __VA_ARGS__)

/* Puts "<format>: " before the message of `err`; takes and returns ownership. NULL stays NULL. */
struct error *error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *error_message(const struct error *err);
void error_destroy(struct error *err);
/* For the cleanup attribute. */
void error_destroy_ptr(struct error **err);

#define TRY(expr) \
    do { \
        struct error *try_err_ = (expr); \
        if (try_err_) return try_err_; \
    } while (0)

#endif
