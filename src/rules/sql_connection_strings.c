/*
 * Connection strings made from data: a pool for each.
 *
 *     SqliteConnectionFactory {_poolGroups: Dictionary<string, SqliteConnectionPoolGroup>}
 *     SqlConnectionFactory {_connectionPoolGroups: Dictionary<DbConnectionPoolKey, DbConnectionPoolGroup>}
 *
 * A provider keeps a pool for every connection string that it was ever given. One a database is normal.
 */
#include "rules/hoard.h"

enum { STRINGS_MIN = 100, STRINGS_PROVEN = 200 };

static const char *const owners[] = { "Microsoft.Data.Sqlite.SqliteConnectionFactory",
                                      "Microsoft.Data.SqlClient.SqlConnectionFactory", "System.Data.SqlClient.SqlConnectionFactory",
                                      NULL };
static const struct call_pattern calls[] = {
    { .type = "Microsoft.Data.Sqlite.SqliteConnection", .method = ".ctor" },
    { .type = "Microsoft.Data.SqlClient.SqlConnection", .method = ".ctor" },
    { .type = "System.Data.SqlClient.SqlConnection", .method = ".ctor" },
};

static const struct hoard strings = {
    .rule = "sql-connection-strings",
    .doc = "docs/causes/sql-connection-strings.md",
    .kind = "pool",
    .owners = owners,
    .path = "_poolGroups|_connectionPoolGroups",
    .least = STRINGS_MIN,
    .proven = STRINGS_PROVEN,
    .noun = "connection pools",
    .place = "are kept by one provider, one for each connection string",
    .cause = "connections are made with strings that hold data (a user, a timeout, an application name): each string has a pool of "
             "its own",
    .fix = "use one connection string a database; set what varies after opening (CommandTimeout, session context)",
    .label = "<ConnectionString>k__BackingField|_connectionOptions._usersConnectionString",
    .label_noun = "connection strings",
    .label_is_secret = true,
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
};

static struct error *strings_run(struct session *session, struct findings *findings)
{
    return hoard_run(session, findings, &strings);
}

const struct rule rule_sql_connection_strings = {
    .name = "sql-connection-strings",
    .summary = "connection strings made from data, each with a pool",
    .refines = "accumulation",
    .run = strings_run,
};
