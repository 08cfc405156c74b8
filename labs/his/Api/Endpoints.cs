using His.Aop;
using His.Domain;
using His.Services;

namespace His.Api;

public sealed record Login(string Name, string Password);
public sealed record NewVisit(long PatientId, VisitKind Kind, string Department);
public sealed record NewTicket(long VisitId, string Department);
public sealed record Session(string Doctor, DateTime Start, DateTime End, int Minutes);
public sealed record Booking(long PatientId);
public sealed record NewPrescription(long PatientId, string DrugCode, int PerDay, int Days);
public sealed record Dispensing(string DrugCode, string Ward, int Amount, long PatientId);
public sealed record Payment(decimal Amount);
public sealed record Room(string Name);
public sealed record Address(string Text);

/// <summary>The HTTP surface: each route resolves a service and calls one method of it.</summary>
public static class Endpoints
{
    public static void MapHis(this WebApplication app)
    {
        app.MapPost("/api/login", (Login login) =>
            Resolve<IUserService>().Login(login.Name, login.Password) is { } token ? Results.Ok(new { token }) : Results.Unauthorized());

        var api = app.MapGroup("/api");
        MapPatients(api.MapGroup("/patients"));
        MapCare(api);
        MapPharmacy(api);
        api.MapPost("/hl7", async (HttpRequest request) =>
        {
            using var reader = new StreamReader(request.Body);
            return Results.Text(Resolve<IHl7Service>().Accept(await reader.ReadToEndAsync()), "application/hl7-v2");
        });
        api.MapGet("/reports/{day}", (DateOnly day) => Resolve<IReportService>().Day(day));
        api.MapGet("/system/status", SystemStatus.Get);
    }

    private static void MapPatients(RouteGroupBuilder patients)
    {
        patients.MapPost("/", (NewPatient patient) => Resolve<IPatientService>().Register(patient));
        patients.MapGet("/", (string name, int? limit) => Resolve<IPatientService>().Search(name, limit ?? 20));
        patients.MapGet("/{id:long}", (long id) => Resolve<IPatientService>().Get(id));
        patients.MapPut("/{id:long}/address", (long id, Address address) => Resolve<IPatientService>().Move(id, address.Text));
        patients.MapGet("/{id:long}/visits", (long id) => Resolve<IRegistrationService>().OfPatient(id));
        patients.MapGet("/{id:long}/results", (long id, int? limit) => Resolve<IResultService>().Latest(id, limit ?? 20));
        patients.MapGet("/{id:long}/balance", (long id) => Resolve<IBillingService>().Balance(id));
        patients.MapPost("/{id:long}/payments", (long id, Payment payment) => Resolve<IBillingService>().Pay(id, payment.Amount));
    }

    private static void MapCare(RouteGroupBuilder api)
    {
        api.MapPost("/visits", (NewVisit visit) => Resolve<IRegistrationService>().Open(visit.PatientId, visit.Kind, visit.Department));
        api.MapPost("/visits/{id:long}/close", (long id) => Resolve<IRegistrationService>().Close(id));
        api.MapPost("/queue", (NewTicket ticket) => Resolve<IQueueService>().Enqueue(ticket.VisitId, ticket.Department));
        api.MapGet("/queue/{department}", (string department) => new { waiting = Resolve<IQueueService>().Waiting(department) });
        api.MapPost("/queue/{department}/next", (string department) =>
            Resolve<IQueueService>().CallNext(department) is { } ticket ? Results.Ok(ticket) : Results.NoContent());
        api.MapPost("/schedule", (Session s) => new { added = Resolve<IScheduleService>().Publish(s.Doctor, s.Start, s.End, s.Minutes) });
        api.MapGet("/schedule/{doctor}/{day}", (string doctor, DateOnly day) => Resolve<IScheduleService>().Free(doctor, day));
        api.MapPost("/schedule/slots/{id:long}/book", (long id, Booking booking) => Resolve<IScheduleService>().Book(id, booking.PatientId));
    }

    private static void MapPharmacy(RouteGroupBuilder api)
    {
        api.MapGet("/drugs", () => Resolve<IDrugService>().List());
        api.MapPost("/prescriptions", (NewPrescription p) => Resolve<IDrugService>().Prescribe(p.PatientId, p.DrugCode, p.PerDay, p.Days));
        api.MapGet("/stock/{ward}/{drug}", (string ward, string drug) => Resolve<IStockService>().Level(drug, ward));
        api.MapPost("/stock/dispense", (Dispensing d) => Resolve<IStockService>().Dispense(d.DrugCode, d.Ward, d.Amount, d.PatientId));
        api.MapGet("/equipment", () => Resolve<IEquipmentService>().List());
        api.MapPost("/equipment/{tag}/take", (string tag, Room room) => Resolve<IEquipmentService>().Take(tag, room.Name));
        api.MapPost("/equipment/{tag}/return", (string tag) => Resolve<IEquipmentService>().Return(tag));
    }

    private static T Resolve<T>() where T : class => ServiceLocator.Resolve<T>();
}
