using His.Aop;
using His.Domain;
using His.Hl7;

namespace His.Services;

public interface IHl7Service
{
    /// <summary>Takes an HL7 v2 message and answers with its acknowledgement.</summary>
    [Requires(Permission.Interface)]
    [Transactional]
    string Accept(string message);
}

public sealed class Hl7Service : IHl7Service
{
    public string Accept(string text)
    {
        var message = Message.Parse(text);
        try
        {
            switch (message.TypeCode, message.Trigger)
            {
                case ("ADT", "A01" or "A04"): Admit(message); break;
                case ("ADT", "A08"): UpdatePatient(message); break;
                case ("ORU", "R01"): RecordResults(message); break;
                default: return Acknowledgement.Reject(message, $"message type {message.Type} is not handled");
            }
            return Acknowledgement.Accept(message);
        }
        catch (Exception e) when (e is RuleViolation or NotFound)
        {
            return Acknowledgement.Error(message, e.Message);
        }
    }

    private static void Admit(Message message)
    {
        var patients = ServiceLocator.Resolve<IPatientService>();
        var patient = patients.FindByRecordNumber(RecordNumber(message)) ?? patients.Register(PatientOf(message));
        var kind = message.Field("PV1", 2) switch { "I" => VisitKind.Inpatient, "E" => VisitKind.Emergency, _ => VisitKind.Outpatient };
        ServiceLocator.Resolve<IRegistrationService>().Open(patient.Id, kind, message.Component("PV1", 3, 1));
    }

    private static void UpdatePatient(Message message)
    {
        var patients = ServiceLocator.Resolve<IPatientService>();
        patients.Move(Known(patients, message).Id, Address(message));
    }

    private static void RecordResults(Message message)
    {
        var patient = Known(ServiceLocator.Resolve<IPatientService>(), message);
        var at = Message.Time(message.Field("OBR", 7));
        var observations = message.Segments("OBX")
            .Select(obx => new Observation(obx.Component(3, 1), obx.Field(5), obx.Component(6, 1), obx.Field(8), at))
            .ToList();
        ServiceLocator.Resolve<IResultService>().Record(patient.Id, observations);
    }

    private static Patient Known(IPatientService patients, Message message) =>
        patients.FindByRecordNumber(RecordNumber(message)) ?? throw new NotFound("patient", RecordNumber(message));

    private static NewPatient PatientOf(Message message) => new(
        RecordNumber(message), message.Component("PID", 5, 1), message.Component("PID", 5, 2),
        DateOnly.FromDateTime(Message.Time(message.Field("PID", 7))),
        message.Field("PID", 8) switch { "F" => Sex.Female, "M" => Sex.Male, "O" => Sex.Other, _ => Sex.Unknown }, Address(message));

    private static string RecordNumber(Message message) => message.Component("PID", 3, 1);

    private static string Address(Message message) =>
        string.Join(", ", new[] { message.Component("PID", 11, 1), message.Component("PID", 11, 3) }.Where(part => part.Length > 0));
}
