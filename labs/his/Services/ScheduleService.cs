using His.Aop;
using His.Data;
using His.Domain;
using Microsoft.Data.Sqlite;

namespace His.Services;

public interface IScheduleService
{
    /// <summary>Adds the slots of a session that do not exist yet; returns how many.</summary>
    [Requires(Permission.ScheduleWrite)]
    [Transactional]
    int Publish(string doctor, DateTime start, DateTime end, int minutes);

    [Requires(Permission.PatientsRead)]
    IReadOnlyList<Slot> Free(string doctor, DateOnly day);

    [Requires(Permission.ScheduleWrite)]
    [Transactional]
    Slot Book(long slotId, long patientId);
}

public sealed class ScheduleService(Database database) : IScheduleService
{
    public int Publish(string doctor, DateTime start, DateTime end, int minutes)
    {
        if (minutes is < 5 or > 240 || end <= start || end - start > TimeSpan.FromHours(24))
            throw new RuleViolation("a session lasts at most a day, its slots 5 to 240 minutes");
        var added = 0;
        for (var at = start; at.AddMinutes(minutes) <= end; at = at.AddMinutes(minutes))
            added += database.Execute("INSERT OR IGNORE INTO slot (doctor, start, minutes) VALUES ($doctor, $start, $minutes)",
                ("$doctor", doctor), ("$start", at), ("$minutes", minutes));
        return added;
    }

    public IReadOnlyList<Slot> Free(string doctor, DateOnly day) =>
        database.Query("SELECT id, doctor, start, minutes, patient_id FROM slot WHERE doctor = $doctor AND date(start) = $day AND patient_id IS NULL ORDER BY start",
            Read, ("$doctor", doctor), ("$day", day.ToString("O")));

    public Slot Book(long slotId, long patientId) =>
        database.QueryOne("UPDATE slot SET patient_id = $patient WHERE id = $id AND patient_id IS NULL RETURNING id, doctor, start, minutes, patient_id",
            Read, ("$patient", patientId), ("$id", slotId)) ?? throw new RuleViolation($"slot '{slotId}' is not free");

    private static Slot Read(SqliteDataReader row) =>
        new(row.GetInt64(0), row.GetString(1), row.GetDateTime(2), row.GetInt32(3), row.IsDBNull(4) ? null : row.GetInt64(4));
}
