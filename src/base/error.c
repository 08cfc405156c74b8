#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct error error_enomem = { .code = ERROR_NOMEM, .message = "out of memory" };
struct error error_not_found = { .code = ERROR_NOT_FOUND, .message = "not found" };

static bool error_is_static(const struct error *err)
{
    return err == &error_enomem || err == &error_not_found;
}

struct error *error_create_at(enum error_code code, uint64_t addr, const char *file, int line, const char *format, ...)
{
    struct error *err = malloc(sizeof(*err));
    char *message = NULL;
    va_list args;

    if (!err) return &error_enomem;
    va_start(args, format);
    if (vasprintf(&message, format, args) < 0) message = NULL;
    va_end(args);
    if (!message) {
        free(err);
        return &error_enomem;
    }
    *err = (struct error) { .code = code, .message = message, .addr = addr, .file = file, .line = line };
    return err;
}

struct error *error_prefix(struct error *err, const char *format, ...)
{
    char *prefix = NULL;
    char *message = NULL;
    va_list args;

    if (!err || err == &error_enomem) return err;
    va_start(args, format);
    if (vasprintf(&prefix, format, args) < 0) prefix = NULL;
    va_end(args);
    if (!prefix) return err;
    if (asprintf(&message, "%s: %s", prefix, err->message) < 0) message = NULL;
    free(prefix);
    if (!message) return err;
    if (error_is_static(err)) {
        struct error *copy = malloc(sizeof(*copy));
        if (!copy) {
            free(message);
            return err;
        }
        *copy = *err;
        copy->message = message;
        return copy;
    }
    free(err->message);
    err->message = message;
    return err;
}

const char *error_message(const struct error *err)
{
    return err ? err->message : "no error";
}

void error_destroy(struct error *err)
{
    if (!err || error_is_static(err)) return;
    free(err->message);
    free(err);
}

void error_destroy_ptr(struct error **err)
{
    error_destroy(*err);
}
