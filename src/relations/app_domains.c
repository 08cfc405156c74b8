#include "clr/loader.h"
#include "relations/relation.h"
#include "session/session.h"

/* .NET has one application domain a runtime. */
struct app_domains_cursor {
    struct clr *clr;
    bool done;
};

enum { ADDRESS, NAME, COLLECTIBLE, ASSEMBLY_COUNT };

static struct error *app_domains_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct app_domains_cursor *cursor = cursor_;

    (void)request;
    return session_clr(session, &cursor->clr);
}

static struct error *app_domains_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct app_domains_cursor *cursor = cursor_;
    struct clr_module_iterator iterator;
    const char *name;
    uint64_t addr;

    *more_ret = !cursor->done;
    if (cursor->done) return NULL;
    cursor->done = true;
    TRY(clr_app_domain(cursor->clr, &addr, &name));
    TRY(clr_module_iterator_init(cursor->clr, &iterator));
    value_u64(&row[ADDRESS], addr);
    value_text(&row[NAME], *name ? name : NULL);
    value_u64(&row[COLLECTIBLE], false);
    value_u64(&row[ASSEMBLY_COUNT], iterator.remaining);
    return NULL;
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "the AppDomain structure" },
    { "name", COLUMN_TEXT, "friendly name" },
    { "collectible", COLUMN_BOOL, "never: domains of .NET end with the process" },
    { "assembly_count", COLUMN_COUNT, "entries of its assembly list" },
};

const struct relation relation_app_domains = {
    .name = "app_domains",
    .summary = "the application domain",
    .topic = "loader",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "app_domains" } },
    .empty = "the application domain is not in this dump",
    .cursor_size = sizeof(struct app_domains_cursor),
    .begin = app_domains_begin,
    .next = app_domains_next,
};
