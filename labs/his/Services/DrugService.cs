using His.Aop;
using His.Data;
using His.Domain;
using Microsoft.Data.Sqlite;

namespace His.Services;

public interface IDrugService
{
    IReadOnlyList<Drug> List();

    Drug Get(string code);

    [Requires(Permission.Prescribe)]
    [Transactional]
    Prescription Prescribe(long patientId, string drugCode, int perDay, int days);
}

public sealed class DrugService(Database database) : IDrugService
{
    public IReadOnlyList<Drug> List() => database.Query("SELECT code, name, form, price FROM drug ORDER BY name", Read);

    public Drug Get(string code) =>
        database.QueryOne("SELECT code, name, form, price FROM drug WHERE code = $code", Read, ("$code", code)) ?? throw new NotFound("drug", code);

    public Prescription Prescribe(long patientId, string drugCode, int perDay, int days)
    {
        if (perDay is < 1 or > 12 || days is < 1 or > 90)
            throw new RuleViolation("1 to 12 doses a day, for 1 to 90 days");
        var drug = Get(drugCode);
        var id = database.Scalar<long>(
            "INSERT INTO prescription (patient_id, drug_code, per_day, days, at) VALUES ($patient, $drug, $per_day, $days, $now) RETURNING id",
            ("$patient", patientId), ("$drug", drug.Code), ("$per_day", perDay), ("$days", days), ("$now", DateTime.UtcNow));
        return new Prescription(id, patientId, drug.Code, perDay, days);
    }

    private static Drug Read(SqliteDataReader row) => new(row.GetString(0), row.GetString(1), row.GetString(2), row.GetDecimal(3));
}
