using His.Aop;
using His.Data;
using His.Domain;
using Microsoft.Data.Sqlite;

namespace His.Services;

public interface IRegistrationService
{
    [Requires(Permission.PatientsWrite)]
    [Transactional]
    Visit Open(long patientId, VisitKind kind, string department);

    [Requires(Permission.PatientsWrite)]
    [Transactional]
    Visit Close(long visitId);

    [Requires(Permission.PatientsRead)]
    IReadOnlyList<Visit> OfPatient(long patientId);
}

public sealed class RegistrationService(Database database) : IRegistrationService
{
    private const string columns = "id, patient_id, kind, department, opened, closed";

    public Visit Open(long patientId, VisitKind kind, string department)
    {
        var id = database.Scalar<long>(
            "INSERT INTO visit (patient_id, kind, department, opened) VALUES ($patient, $kind, $department, $now) RETURNING id",
            ("$patient", patientId), ("$kind", (int)kind), ("$department", department), ("$now", DateTime.UtcNow));
        return Get(id);
    }

    public Visit Close(long visitId)
    {
        var visit = Get(visitId);
        if (visit.Closed is not null)
            throw new RuleViolation($"visit '{visitId}' is closed already");
        database.Execute("UPDATE visit SET closed = $now WHERE id = $id", ("$now", DateTime.UtcNow), ("$id", visitId));
        return Get(visitId);
    }

    public IReadOnlyList<Visit> OfPatient(long patientId) =>
        database.Query($"SELECT {columns} FROM visit WHERE patient_id = $patient ORDER BY id DESC LIMIT 50", Read, ("$patient", patientId));

    private Visit Get(long id) =>
        database.QueryOne($"SELECT {columns} FROM visit WHERE id = $id", Read, ("$id", id)) ?? throw new NotFound("visit", id);

    private static Visit Read(SqliteDataReader row) =>
        new(row.GetInt64(0), row.GetInt64(1), (VisitKind)row.GetInt32(2), row.GetString(3), row.GetDateTime(4), row.IsDBNull(5) ? null : row.GetDateTime(5));
}
