// Fills a heap with a hospital's objects and stands still to be dumped: `heapgen COUNT`. The same count makes the same heap.
//
// Per patient, about 24 objects: names and diagnoses as copies of a few texts (strings with duplicates), ids and notes as texts of their own, a list
// of visits, a dictionary of results. Per 35 objects one entry of a journal that is a single linked list, so the deepest object lies COUNT / 35 links
// from its only root. Now and then: a large array, an event handler, weak, pinned and dependent handles, an object with a finalizer, garbage.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Labs;

var hospital = new Hospital(seed: 20261120);
hospital.Admit(long.Parse(args[0]));
Lab.StandStill(hospital.Truth());
GC.KeepAlive(hospital);

sealed class Hospital(int seed)
{
    const int ObjectsPerJournalEntry = 35;

    static readonly string[] FamilyNames = ["Maier", "Huber", "Gruber", "Wagner", "Pichler", "Steiner", "Moser", "Hofer", "Leitner", "Berger", "Fuchs", "Eder"];
    static readonly string[] FirstNames = ["Anna", "Maria", "Lukas", "Paul", "Sophie", "Jakob", "Elias", "Laura", "Felix", "Johanna", "Valentin", "Emma"];
    static readonly string[] Towns = ["Linz", "Graz", "Salzburg", "Innsbruck", "Klagenfurt", "Villach", "Wels", "Dornbirn"];
    static readonly string[] Diagnoses = ["Hypertension, essential", "Type 2 diabetes mellitus", "Asthma", "Fracture of forearm", "Pneumonia", "Migraine", "Atrial fibrillation"];
    static readonly string[] Tests = ["haemoglobin", "creatinine", "glucose", "crp", "sodium", "potassium", "leucocytes", "ferritin"];
    static readonly string Observations = string.Concat(Enumerable.Repeat("Patient reports no change since the last visit, medication continued, next appointment arranged. ", 4));

    readonly Random _random = new(seed);
    readonly List<Patient> _patients = [];
    readonly Ward[] _wards = [.. Enumerable.Range(1, 40).Select(n => new Ward($"Ward {n}"))];
    readonly Doctor[] _doctors = [.. FamilyNames.Select(name => new Doctor(name))];
    readonly List<GCHandle> _handles = [];
    readonly ConditionalWeakTable<Patient, Consent> _consents = [];
    readonly List<object> _kept = [];
    JournalEntry? _journal;
    long _made, _journalEntries;

    public void Admit(long objects)
    {
        while (_made < objects)
        {
            var patient = NewPatient();
            _patients.Add(patient);
            Rarities(patient);
            for (; _journalEntries < _made / ObjectsPerJournalEntry; _journalEntries++)
                _journal = Made(new JournalEntry(_journal, patient));
        }
    }

    public JsonObject Truth() => new()
    {
        ["bench"] = "heapgen", ["objects_made"] = _made, ["patients"] = _patients.Count, ["journal_entries"] = _journalEntries, ["handles"] = _handles.Count,
    };

    T Made<T>(T value, int objects = 1)
    {
        _made += objects;
        return value;
    }

    T Any<T>(T[] values) => values[_random.Next(values.Length)];

    /// <summary>An object of its own with the same text.</summary>
    string Copy(string text) => Made(new string(text.AsSpan()));

    Patient NewPatient()
    {
        var name = Made($"{Any(FirstNames)} {Any(FamilyNames)}");
        var address = Made(new Address(Copy("Hauptstrasse " + _random.Next(1, 60)), Any(Towns)));
        var patient = Made(new Patient(Made($"P{_patients.Count:D9}"), name, address, Any(_wards)));
        Made(patient.Visits = new List<Visit>(4), 2);
        for (var n = _random.Next(1, 8); n > 0; n--)
            patient.Visits.Add(NewVisit(patient));
        Made(patient.Results = new Dictionary<string, Result>(3), 3);
        for (var n = _random.Next(0, 6); n > 0; n--)
            patient.Results[Any(Tests)] = Made(new Result(_random.NextDouble(), Any(_doctors), DateTime.UnixEpoch.AddDays(_random.Next(20_000))));
        return patient;
    }

    Visit NewVisit(Patient patient)
    {
        var note = _random.Next(2) == 0 ? Made(new Note(Made($"Seen on day {_random.Next(20_000)}: {Any(Diagnoses)}. {Observations[.._random.Next(40, 280)]}"))) : null;
        return Made(new Visit(patient, Copy(Any(Diagnoses)), Any(_doctors), Any(_wards), note));
    }

    void Rarities(Patient patient)
    {
        var n = _patients.Count;
        if (n % 10 == 0)
        {
            patient.Ward.Moved += patient.OnMoved;
            _made++;
        }
        if (n % 500 == 0)
            _kept.Add(Made(new Session(patient)));
        if (n % 1000 == 0)
        {
            _handles.Add(GCHandle.Alloc(patient, GCHandleType.Weak));
            _handles.Add(GCHandle.Alloc(patient, GCHandleType.WeakTrackResurrection));
            _handles.Add(GCHandle.Alloc(Made(new byte[256]), GCHandleType.Pinned));
            _consents.Add(patient, Made(new Consent(n)));
            _ = new byte[_random.Next(200)]; // garbage
        }
        if (n % 2000 == 0)
            _kept.Add(Made(new byte[_random.Next(100_000, 1_000_000)])); // large object heap
    }
}

sealed record Address(string Street, string Town);
sealed record Doctor(string Name);
sealed record Result(double Value, Doctor By, DateTime Taken);
sealed record Note(string Text);
sealed record Consent(int Version);
sealed record Visit(Patient Patient, string Diagnosis, Doctor Doctor, Ward Ward, Note? Note);
sealed record JournalEntry(JournalEntry? Previous, Patient Patient);

sealed class Ward(string name)
{
    public string Name => name;
    public event EventHandler? Moved;
    public void Move() => Moved?.Invoke(this, EventArgs.Empty);
}

sealed class Patient(string id, string name, Address address, Ward ward)
{
    public string Id => id;
    public string Name => name;
    public Address Address => address;
    public Ward Ward => ward;
    public List<Visit> Visits = null!;
    public Dictionary<string, Result> Results = null!;
    public void OnMoved(object? sender, EventArgs e) => Visits.Clear();
}

/// <summary>Has a finalizer, as everything does that holds a connection.</summary>
sealed class Session(Patient patient)
{
    public Patient Patient => patient;
    ~Session() => GC.KeepAlive(patient);
}
