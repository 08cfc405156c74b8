namespace His.Driver;

/// <summary>What happens in the hospital, the same every time. A step is one request, which makes at most three proxies.</summary>
sealed class Day(Backend backend)
{
    public const int ProxiesPerStepAtMost = 3;
    private const int workstations = 20;

    private static readonly string[] families = ["Lindqvist", "Okafor", "Tanaka", "Moreau", "Petrov", "Haddad", "Silva", "Novak"];
    private static readonly string[] given = ["Ada", "Bruno", "Chiara", "Deniz", "Emil", "Farah", "Goro", "Hanna"];
    private static readonly string[] departments = ["surgery", "cardiology", "paediatrics"];
    private static readonly string[] drugs = ["ASA-100", "IBU-400", "AMX-500", "INS-LIS"];
    private static readonly DateTime firstSession = new(2026, 1, 5, 8, 0, 0);

    private int step;
    private int patients;
    private long lastVisit;
    private long lastSlot;

    /// <summary>The first patients, and a schedule to book from.</summary>
    public async Task Begin()
    {
        for (var i = 0; i < 5; i++)
            await RegisterPatient(null);
        await OpenVisit(null);
        await PublishSession(null);
    }

    public Task SmallStep() => backend.Get($"/api/patients/{SomePatient()}");

    public async Task Step()
    {
        step++;
        // Every tenth request comes from one of the hospital's own workstations, the others from portals and devices.
        var from = step % 10 == 0 ? $"WS-{step / 10 % workstations:00}" : null;
        var patient = SomePatient();
        var department = departments[step % departments.Length];
        var drug = drugs[step % drugs.Length];
        await (Task)((step % 23) switch
        {
            0 => RegisterPatient(from),
            1 or 12 => backend.Get($"/api/patients/{patient}", from),
            2 => backend.Get($"/api/patients?name={families[step % families.Length][..3]}", from),
            3 => backend.Hl7(Hl7.Admission(step, patients + 1000, families[step % families.Length], given[step % given.Length], department)),
            4 => backend.Put($"/api/patients/{patient}/address", new { text = $"{step} Harbour Street" }, from),
            5 => OpenVisit(from),
            6 => backend.Post("/api/queue", new { visitId = lastVisit, department }, from),
            7 => backend.Get($"/api/queue/{department}", from),
            8 => backend.Post($"/api/queue/{department}/next", null, from),
            9 => step / 23 % 40 == 0 ? PublishSession(from) : BookSlot(from),
            10 => backend.Get($"/api/patients/{patient}/visits", from),
            11 => backend.Get("/api/drugs", from),
            13 => backend.Post("/api/prescriptions", new { patientId = patient, drugCode = drug, perDay = 3, days = 7 }, from),
            14 => backend.Post("/api/stock/dispense", new { drugCode = drug, ward = department, amount = 10, patientId = patient }, from),
            15 => backend.Get($"/api/stock/{department}/{drug}", from),
            16 => backend.Get($"/api/patients/{patient}/balance", from),
            17 => backend.Get("/api/equipment", from),
            18 => backend.Post($"/api/equipment/ECG-1/{(step / 23 % 2 == 0 ? "take" : "return")}", new { name = "S 021" }, from),
            19 => backend.Hl7(Hl7.Results(step, 1 + step % 5)),
            20 => backend.Get($"/api/patients/{1 + step % 5}/results", from),
            21 => backend.Get($"/api/patients/{patient}", from),
            _ => backend.Get("/api/reports/2026-01-05", from),
        });
    }

    private int SomePatient() => 1 + step * 7 % patients;

    private async Task RegisterPatient(string? workstation)
    {
        patients++;
        await backend.Post("/api/patients", new
        {
            recordNumber = $"H{patients:000000}",
            familyName = families[patients % families.Length],
            givenName = given[patients / 3 % given.Length],
            born = new DateOnly(1950, 1, 1).AddDays(patients * 97 % 20_000),
            sex = patients % 2 == 0 ? "Female" : "Male",
            address = $"{patients} Station Road",
        }, workstation);
    }

    private async Task OpenVisit(string? workstation)
    {
        var visit = await backend.Post("/api/visits", new { patientId = SomePatient(), kind = "Outpatient", department = departments[step % 3] }, workstation);
        lastVisit = (long)visit!["id"]!;
    }

    private async Task PublishSession(string? workstation)
    {
        var start = firstSession.AddDays(step);
        await backend.Post("/api/schedule", new { doctor = "grey", start, end = start.AddHours(10), minutes = 15 }, workstation);
    }

    private async Task BookSlot(string? workstation) =>
        await backend.Post($"/api/schedule/slots/{++lastSlot}/book", new { patientId = SomePatient() }, workstation);
}
