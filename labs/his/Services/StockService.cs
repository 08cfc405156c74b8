using His.Aop;
using His.Data;
using His.Domain;

namespace His.Services;

public interface IStockService
{
    [Requires(Permission.Dispense)]
    [Transactional]
    StockLevel Receive(string drugCode, string ward, int amount);

    /// <summary>Takes drugs from a ward's stock for a patient, and charges them.</summary>
    [Requires(Permission.Dispense)]
    [Transactional]
    StockLevel Dispense(string drugCode, string ward, int amount, long patientId);

    StockLevel Level(string drugCode, string ward);
}

public sealed class StockService(Database database, IDrugService drugs) : IStockService
{
    public StockLevel Receive(string drugCode, string ward, int amount)
    {
        if (amount <= 0)
            throw new RuleViolation("an amount is positive");
        database.Execute(
            "INSERT INTO stock VALUES ($drug, $ward, $amount) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
            ("$drug", drugCode), ("$ward", ward), ("$amount", amount));
        return Level(drugCode, ward);
    }

    public StockLevel Dispense(string drugCode, string ward, int amount, long patientId)
    {
        if (amount <= 0)
            throw new RuleViolation("an amount is positive");
        var taken = database.Execute(
            "UPDATE stock SET amount = amount - $amount WHERE drug_code = $drug AND ward = $ward AND amount >= $amount",
            ("$amount", amount), ("$drug", drugCode), ("$ward", ward));
        if (taken == 0)
            throw new RuleViolation($"less than {amount} of '{drugCode}' left in {ward}");
        var drug = drugs.Get(drugCode);
        ServiceLocator.Resolve<IBillingService>().Charge(patientId, $"{amount} x {drug.Name}", amount * drug.Price);
        return Level(drugCode, ward);
    }

    public StockLevel Level(string drugCode, string ward) =>
        new(drugCode, ward, database.Scalar<int>("SELECT coalesce(sum(amount), 0) FROM stock WHERE drug_code = $drug AND ward = $ward",
            ("$drug", drugCode), ("$ward", ward)));
}
