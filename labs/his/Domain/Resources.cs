namespace His.Domain;

public sealed record Slot(long Id, string Doctor, DateTime Start, int Minutes, long? PatientId);

public sealed record Drug(string Code, string Name, string Form, decimal Price);

public sealed record StockLevel(string DrugCode, string Ward, int Amount);

public sealed record Prescription(long Id, long PatientId, string DrugCode, int PerDay, int Days);

public enum EquipmentState { Free, InUse, Maintenance }

public sealed record Equipment(string Tag, string Name, string Room, EquipmentState State);
