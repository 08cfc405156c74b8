using His.Aop;
using His.Data;
using His.Domain;

namespace His.Services;

public interface IBillingService
{
    [Transactional]
    Charge Charge(long patientId, string reason, decimal amount);

    [Requires(Permission.Bill)]
    [Transactional]
    Balance Pay(long patientId, decimal amount);

    [Requires(Permission.PatientsRead)]
    Balance Balance(long patientId);
}

public sealed class BillingService(Database database) : IBillingService
{
    public Charge Charge(long patientId, string reason, decimal amount)
    {
        if (amount <= 0)
            throw new RuleViolation("a charge is positive");
        var now = DateTime.UtcNow;
        var id = database.Scalar<long>(
            "INSERT INTO charge (patient_id, reason, amount, at) VALUES ($patient, $reason, $amount, $now) RETURNING id",
            ("$patient", patientId), ("$reason", reason), ("$amount", (double)amount), ("$now", now));
        return new Charge(id, patientId, reason, amount, now);
    }

    public Balance Pay(long patientId, decimal amount)
    {
        var before = Balance(patientId);
        if (amount <= 0 || amount > before.Due)
            throw new RuleViolation($"a payment is more than 0 and at most {before.Due}");
        database.Execute("INSERT INTO payment (patient_id, amount, at) VALUES ($patient, $amount, $now)",
            ("$patient", patientId), ("$amount", (double)amount), ("$now", DateTime.UtcNow));
        return Balance(patientId);
    }

    public Balance Balance(long patientId) =>
        new(patientId, Sum("charge", patientId), Sum("payment", patientId));

    private decimal Sum(string table, long patientId) =>
        Math.Round((decimal)database.Scalar<double>($"SELECT coalesce(sum(amount), 0) FROM {table} WHERE patient_id = $patient", ("$patient", patientId)), 2);
}
