using His.Aop;
using His.Data;
using His.Domain;
using Microsoft.Data.Sqlite;

namespace His.Services;

public interface IQueueService
{
    [Requires(Permission.PatientsWrite)]
    [Transactional]
    Ticket Enqueue(long visitId, string department);

    [Requires(Permission.PatientsRead)]
    [Transactional]
    Ticket? CallNext(string department);

    [Requires(Permission.PatientsRead)]
    int Waiting(string department);
}

public sealed class QueueService(Database database) : IQueueService
{
    private static string Today => DateTime.UtcNow.ToString("yyyy-MM-dd");

    public Ticket Enqueue(long visitId, string department)
    {
        var number = 1 + database.Scalar<int>(
            "SELECT coalesce(max(number), 0) FROM ticket WHERE department = $department AND day = $day", ("$department", department), ("$day", Today));
        var id = database.Scalar<long>(
            "INSERT INTO ticket (visit_id, department, day, number, state) VALUES ($visit, $department, $day, $number, 0) RETURNING id",
            ("$visit", visitId), ("$department", department), ("$day", Today), ("$number", number));
        return new Ticket(id, visitId, department, number, TicketState.Waiting);
    }

    public Ticket? CallNext(string department) =>
        database.QueryOne(
            """
            UPDATE ticket SET state = 1
            WHERE id = (SELECT id FROM ticket WHERE department = $department AND day = $day AND state = 0 ORDER BY number LIMIT 1)
            RETURNING id, visit_id, department, number, state
            """,
            Read, ("$department", department), ("$day", Today));

    public int Waiting(string department) =>
        database.Scalar<int>("SELECT count(*) FROM ticket WHERE department = $department AND day = $day AND state = 0",
            ("$department", department), ("$day", Today));

    private static Ticket Read(SqliteDataReader row) =>
        new(row.GetInt64(0), row.GetInt64(1), row.GetString(2), row.GetInt32(3), (TicketState)row.GetInt32(4));
}
