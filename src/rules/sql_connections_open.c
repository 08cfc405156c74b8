/*
 * Database connections that are open and kept.
 *
 *     SqliteConnection {_state Open, _innerConnection}, SqlConnection {_innerConnection: SqlInternalConnectionTds while it is open}
 *
 * A connection is meant to be opened late and closed early; the pool makes that cheap. One that stays open holds a session of the
 * database, and the pool is exhausted at a hundred by default.
 */
#include <string.h>

#include "rules/many.h"

enum { CONNECTIONS_MIN = 60, CONNECTIONS_PROVEN = 100, STATE_OPEN = 1 };

static const char *const types[] = { "Microsoft.Data.Sqlite.SqliteConnection", "Microsoft.Data.SqlClient.SqlConnection",
                                     "System.Data.SqlClient.SqlConnection", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Data.Common.DbConnection", .method = "Open*" },
    { .type = "Microsoft.Data.Sqlite.SqliteConnection", .method = "Open*" },
    { .type = "Microsoft.Data.SqlClient.SqlConnection", .method = "Open*" },
    { .type = "System.Data.SqlClient.SqlConnection", .method = "Open*" },
};

static bool is_open(struct clr *clr, uint64_t addr)
{
    const char *inner = clr_object_type_name(clr, managed_follow_object(clr, addr, "_innerConnection"));
    int64_t state;

    if (managed_follow_number(clr, addr, "_state", &state)) return state == STATE_OPEN;
    return inner && strstr(inner, "SqlInternalConnection");
}

static const struct many connections = {
    .rule = "sql-connections-open",
    .doc = "docs/causes/sql-connections-open.md",
    .kind = "pool",
    .types = types,
    .least = CONNECTIONS_MIN,
    .proven = CONNECTIONS_PROVEN,
    .noun = "database connections",
    .state = "are open and not disposed",
    .cause = "connections are opened and kept, or an error path leaves them open",
    .fix = "open a connection for one piece of work and dispose it (using); keep the string, not the connection",
    .label = "_connectionString|_userConnectionOptions._usersConnectionString",
    .label_noun = "connection strings",
    .label_is_secret = true,
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = is_open,
};

static struct error *connections_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &connections);
}

const struct rule rule_sql_connections_open = {
    .name = "sql-connections-open",
    .summary = "database connections are open and kept",
    .refines = "accumulation",
    .run = connections_run,
};
