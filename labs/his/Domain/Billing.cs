namespace His.Domain;

public sealed record Charge(long Id, long PatientId, string Reason, decimal Amount, DateTime At);

public sealed record Balance(long PatientId, decimal Charged, decimal Paid)
{
    public decimal Due => Charged - Paid;
}

public sealed record DailyReport(DateOnly Day, int Visits, int Waiting, int Prescriptions, decimal Charged);
