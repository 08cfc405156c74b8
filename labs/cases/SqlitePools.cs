using System.Text.Json.Nodes;
using Microsoft.Data.Sqlite;

namespace Labs.Cases;

/// <summary>A connection string for each user, so a pool each; in the fixed variant one string.</summary>
static class SqlitePools
{
    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
        {
            using var connection = new SqliteConnection($"Data Source=wards;Mode=Memory;Cache=Shared;Default Timeout={(leaks ? 30 + i : 30)}");
            connection.Open();
        }
        return new() { ["pools"] = leaks ? count : 1, ["type"] = "Microsoft.Data.Sqlite.SqliteConnectionPoolGroup" };
    }
}

/// <summary>Connections that are opened and neither closed nor kept; in the fixed variant they are disposed.</summary>
static class SqliteConnections
{
    static readonly List<SqliteConnection> open = [];

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var connection = new SqliteConnection("Data Source=beds;Mode=Memory;Cache=Shared");
            connection.Open();
            if (leaks)
                open.Add(connection);
            else
                connection.Dispose();
        }
        return new() { ["connections"] = open.Count, ["type"] = typeof(SqliteConnection).FullName, ["holder"] = "Labs.Cases.SqliteConnections.open" };
    }
}
