namespace Labs.Castle;

public interface IPatientService
{
    string Register(string name, DateTime born);
    string? Find(int id);
}

public interface IDrugService
{
    int InStock(string code);
    void Dispense(string code, int amount);
}

public interface IBillingService
{
    decimal Total(int patientId);
    void Charge(int patientId, decimal amount);
    bool IsSettled(int patientId);
}

public sealed class PatientService : IPatientService
{
    private readonly List<string> patients = [];

    public string Register(string name, DateTime born)
    {
        patients.Add($"{name} ({born:yyyy})");
        return patients[^1];
    }

    public string? Find(int id) => id < patients.Count ? patients[id] : null;
}

public sealed class DrugService : IDrugService
{
    private readonly Dictionary<string, int> stock = new() { ["ASA-100"] = 1_000_000, ["IBU-400"] = 1_000_000 };

    public int InStock(string code) => stock.GetValueOrDefault(code);

    public void Dispense(string code, int amount) => stock[code] -= amount;
}

public sealed class BillingService : IBillingService
{
    private readonly Dictionary<int, decimal> charges = [];

    public decimal Total(int patientId) => charges.GetValueOrDefault(patientId);

    public void Charge(int patientId, decimal amount) => charges[patientId] = Total(patientId) + amount;

    public bool IsSettled(int patientId) => Total(patientId) == 0;
}
