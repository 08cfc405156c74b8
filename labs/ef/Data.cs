using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace Labs.Ef;

sealed class Patient
{
    public int Id { get; set; }
    public string Name { get; set; } = "";
    public int Ward { get; set; }
}

sealed class WardContext(DbContextOptions<WardContext> options) : DbContext(options)
{
    public DbSet<Patient> Patients => Set<Patient>();
}

static class Database
{
    public const string ConnectionString = "Data Source=wards;Mode=Memory;Cache=Shared";

    /// <summary>The database lives as long as this connection.</summary>
    public static SqliteConnection Create()
    {
        var connection = new SqliteConnection(ConnectionString);
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = """
            CREATE TABLE Patients (Id INTEGER PRIMARY KEY, Name TEXT NOT NULL, Ward INTEGER NOT NULL);
            INSERT INTO Patients (Name, Ward) VALUES ('Ada', 0), ('Grace', 1), ('Barbara', 2), ('Edsger', 0);
            """;
        command.ExecuteNonQuery();
        return connection;
    }
}
