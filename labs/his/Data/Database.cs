using System.Data;
using Microsoft.Data.Sqlite;

namespace His.Data;

/// <summary>
/// SQLite through ADO.NET. A statement takes part in the transaction of the call it belongs to, if there is one,
/// and has a (pooled) connection of its own if not.
/// </summary>
public sealed class Database(string connectionString)
{
    private readonly AsyncLocal<SqliteTransaction?> current = new();

    public List<T> Query<T>(string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using var lease = Lease();
        using var command = Command(lease, sql, parameters);
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        while (reader.Read())
            rows.Add(read(reader));
        return rows;
    }

    public T? QueryOne<T>(string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<(string Name, object? Value)> parameters)
        where T : class => Query(sql, read, parameters).FirstOrDefault();

    public T Scalar<T>(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using var lease = Lease();
        using var command = Command(lease, sql, parameters);
        return (T)Convert.ChangeType(command.ExecuteScalar()!, typeof(T));
    }

    public int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using var lease = Lease();
        using var command = Command(lease, sql, parameters);
        return command.ExecuteNonQuery();
    }

    /// <summary>Runs `work` in the caller's transaction, or in a new one that ends with it.</summary>
    public void InTransaction(Action work)
    {
        if (current.Value is not null)
        {
            work();
            return;
        }
        using var connection = Open();
        using var transaction = connection.BeginTransaction(IsolationLevel.Serializable);
        current.Value = transaction;
        try
        {
            work();
            transaction.Commit();
        }
        finally
        {
            current.Value = null;
        }
    }

    private SqliteConnection Open()
    {
        var connection = new SqliteConnection(connectionString);
        connection.Open();
        return connection;
    }

    private ConnectionLease Lease() =>
        current.Value is { } transaction ? new(transaction.Connection!, transaction, owned: false) : new(Open(), null, owned: true);

    private static SqliteCommand Command(ConnectionLease lease, string sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = lease.Connection.CreateCommand();
        command.CommandText = sql;
        command.Transaction = lease.Transaction;
        foreach (var (name, value) in parameters)
            command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
    }

    private readonly struct ConnectionLease(SqliteConnection connection, SqliteTransaction? transaction, bool owned) : IDisposable
    {
        public SqliteConnection Connection => connection;
        public SqliteTransaction? Transaction => transaction;

        public void Dispose()
        {
            if (owned)
                connection.Dispose();
        }
    }
}
