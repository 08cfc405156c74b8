namespace His.Domain;

public enum Sex { Unknown, Female, Male, Other }

public sealed record Patient(long Id, string RecordNumber, string FamilyName, string GivenName, DateOnly Born, Sex Sex, string Address);

public sealed record NewPatient(string RecordNumber, string FamilyName, string GivenName, DateOnly Born, Sex Sex, string Address);

public enum VisitKind { Outpatient, Inpatient, Emergency }

public sealed record Visit(long Id, long PatientId, VisitKind Kind, string Department, DateTime Opened, DateTime? Closed);

public enum TicketState { Waiting, Called, Done }

/// <summary>A place in a department's queue; numbers start at 1 every day.</summary>
public sealed record Ticket(long Id, long VisitId, string Department, int Number, TicketState State);

/// <summary>One laboratory value, e.g. code 718-7 (haemoglobin), 13.5 g/dL.</summary>
public sealed record Observation(string Code, string Value, string Unit, string Flag, DateTime At);
