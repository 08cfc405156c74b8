namespace His.Data;

/// <summary>The schema, as numbered steps; `PRAGMA user_version` remembers how many were taken.</summary>
public static class Migrations
{
    private static readonly string[] steps =
    [
        """
        CREATE TABLE patient (
            id INTEGER PRIMARY KEY, record_number TEXT NOT NULL UNIQUE, family_name TEXT NOT NULL, given_name TEXT NOT NULL,
            born TEXT NOT NULL, sex INTEGER NOT NULL, address TEXT NOT NULL);
        CREATE INDEX patient_name ON patient (family_name, given_name);
        CREATE TABLE visit (
            id INTEGER PRIMARY KEY, patient_id INTEGER NOT NULL REFERENCES patient, kind INTEGER NOT NULL,
            department TEXT NOT NULL, opened TEXT NOT NULL, closed TEXT);
        CREATE TABLE ticket (
            id INTEGER PRIMARY KEY, visit_id INTEGER NOT NULL REFERENCES visit, department TEXT NOT NULL,
            day TEXT NOT NULL, number INTEGER NOT NULL, state INTEGER NOT NULL, UNIQUE (department, day, number));
        """,
        """
        CREATE TABLE slot (
            id INTEGER PRIMARY KEY, doctor TEXT NOT NULL, start TEXT NOT NULL, minutes INTEGER NOT NULL,
            patient_id INTEGER REFERENCES patient, UNIQUE (doctor, start));
        CREATE TABLE drug (code TEXT PRIMARY KEY, name TEXT NOT NULL, form TEXT NOT NULL, price NUMERIC NOT NULL);
        CREATE TABLE stock (
            drug_code TEXT NOT NULL REFERENCES drug, ward TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0),
            PRIMARY KEY (drug_code, ward));
        CREATE TABLE prescription (
            id INTEGER PRIMARY KEY, patient_id INTEGER NOT NULL REFERENCES patient, drug_code TEXT NOT NULL REFERENCES drug,
            per_day INTEGER NOT NULL, days INTEGER NOT NULL, at TEXT NOT NULL);
        CREATE TABLE equipment (tag TEXT PRIMARY KEY, name TEXT NOT NULL, room TEXT NOT NULL, state INTEGER NOT NULL);
        """,
        """
        CREATE TABLE charge (
            id INTEGER PRIMARY KEY, patient_id INTEGER NOT NULL REFERENCES patient, reason TEXT NOT NULL,
            amount NUMERIC NOT NULL, at TEXT NOT NULL);
        CREATE TABLE payment (id INTEGER PRIMARY KEY, patient_id INTEGER NOT NULL REFERENCES patient, amount NUMERIC NOT NULL, at TEXT NOT NULL);
        CREATE TABLE observation (
            id INTEGER PRIMARY KEY, patient_id INTEGER NOT NULL REFERENCES patient, code TEXT NOT NULL, value TEXT NOT NULL,
            unit TEXT NOT NULL, flag TEXT NOT NULL, at TEXT NOT NULL);
        CREATE INDEX observation_latest ON observation (patient_id, code, at);
        CREATE TABLE user (name TEXT PRIMARY KEY, role TEXT NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL);
        """,
        """
        INSERT INTO drug VALUES ('ASA-100', 'Acetylsalicylic acid', 'tablet 100 mg', 0.04), ('IBU-400', 'Ibuprofen', 'tablet 400 mg', 0.09),
            ('AMX-500', 'Amoxicillin', 'capsule 500 mg', 0.21), ('INS-LIS', 'Insulin lispro', 'pen 3 ml', 8.75);
        INSERT INTO stock SELECT code, ward, 1000000 FROM drug, (SELECT 'surgery' AS ward UNION SELECT 'cardiology' UNION SELECT 'paediatrics');
        INSERT INTO equipment VALUES ('ECG-1', 'Electrocardiograph', 'C 101', 0), ('ECG-2', 'Electrocardiograph', 'C 102', 0),
            ('USG-1', 'Ultrasound', 'S 014', 0), ('INF-1', 'Infusion pump', 'P 203', 0), ('MRI-1', 'Magnetic resonance', 'R 001', 2);
        """,
    ];

    public static void Apply(Database database)
    {
        var taken = database.Scalar<int>("PRAGMA user_version");
        for (var step = taken; step < steps.Length; step++)
            database.InTransaction(() =>
            {
                database.Execute(steps[step]);
                database.Execute($"PRAGMA user_version = {step + 1}");
            });
    }
}
