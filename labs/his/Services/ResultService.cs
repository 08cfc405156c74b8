using His.Aop;
using His.Data;
using His.Domain;

namespace His.Services;

public interface IResultService
{
    [Requires(Permission.Interface)]
    [Transactional]
    int Record(long patientId, IReadOnlyList<Observation> observations);

    [Requires(Permission.PatientsRead)]
    IReadOnlyList<Observation> Latest(long patientId, int limit);
}

public sealed class ResultService(Database database) : IResultService
{
    public int Record(long patientId, IReadOnlyList<Observation> observations)
    {
        foreach (var observation in observations)
            database.Execute("INSERT INTO observation (patient_id, code, value, unit, flag, at) VALUES ($patient, $code, $value, $unit, $flag, $at)",
                ("$patient", patientId), ("$code", observation.Code), ("$value", observation.Value),
                ("$unit", observation.Unit), ("$flag", observation.Flag), ("$at", observation.At));
        return observations.Count;
    }

    public IReadOnlyList<Observation> Latest(long patientId, int limit) =>
        database.Query("SELECT code, value, unit, flag, at FROM observation WHERE patient_id = $patient ORDER BY at DESC, id DESC LIMIT $limit",
            row => new Observation(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetDateTime(4)),
            ("$patient", patientId), ("$limit", Math.Clamp(limit, 1, 100)));
}
