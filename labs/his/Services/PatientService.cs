using His.Aop;
using His.Data;
using His.Domain;
using Microsoft.Data.Sqlite;

namespace His.Services;

public interface IPatientService
{
    [Requires(Permission.PatientsWrite)]
    [Transactional]
    Patient Register(NewPatient patient);

    [Requires(Permission.PatientsRead)]
    Patient Get(long id);

    [Requires(Permission.PatientsRead)]
    Patient? FindByRecordNumber(string recordNumber);

    [Requires(Permission.PatientsRead)]
    IReadOnlyList<Patient> Search(string familyName, int limit);

    [Requires(Permission.PatientsWrite)]
    [Transactional]
    Patient Move(long id, string address);
}

public sealed class PatientService(Database database) : IPatientService
{
    private const string columns = "id, record_number, family_name, given_name, born, sex, address";

    public Patient Register(NewPatient patient)
    {
        if (string.IsNullOrWhiteSpace(patient.FamilyName))
            throw new RuleViolation("a patient needs a family name");
        if (FindByRecordNumber(patient.RecordNumber) is not null)
            throw new RuleViolation($"record number '{patient.RecordNumber}' is taken");
        var id = database.Scalar<long>(
            """
            INSERT INTO patient (record_number, family_name, given_name, born, sex, address)
            VALUES ($record, $family, $given, $born, $sex, $address) RETURNING id
            """,
            ("$record", patient.RecordNumber), ("$family", patient.FamilyName), ("$given", patient.GivenName),
            ("$born", patient.Born.ToString("O")), ("$sex", (int)patient.Sex), ("$address", patient.Address));
        return Get(id);
    }

    public Patient Get(long id) =>
        database.QueryOne($"SELECT {columns} FROM patient WHERE id = $id", Read, ("$id", id)) ?? throw new NotFound("patient", id);

    public Patient? FindByRecordNumber(string recordNumber) =>
        database.QueryOne($"SELECT {columns} FROM patient WHERE record_number = $record", Read, ("$record", recordNumber));

    public IReadOnlyList<Patient> Search(string familyName, int limit) =>
        database.Query($"SELECT {columns} FROM patient WHERE family_name LIKE $name ORDER BY family_name, given_name, id LIMIT $limit",
            Read, ("$name", familyName + "%"), ("$limit", Math.Clamp(limit, 1, 100)));

    public Patient Move(long id, string address)
    {
        if (database.Execute("UPDATE patient SET address = $address WHERE id = $id", ("$address", address), ("$id", id)) == 0)
            throw new NotFound("patient", id);
        return Get(id);
    }

    private static Patient Read(SqliteDataReader row) =>
        new(row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), DateOnly.Parse(row.GetString(4)), (Sex)row.GetInt32(5), row.GetString(6));
}
