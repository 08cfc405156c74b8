namespace His.Driver;

/// <summary>Messages as an admission system and a laboratory send them.</summary>
static class Hl7
{
    public static string Admission(int control, int record, string family, string given, string department) => string.Join('\r',
        $@"MSH|^~\&|ADT|GATE|HIS|MAIN|20260105080000||ADT^A04|A{control}|P|2.5",
        $"PID|1||E{record:000000}^^^GATE||{family}^{given}||19640229|F|||{control} Mill Lane^^Harbour Town",
        $"PV1|1|O|{department}^{control % 20}^1",
        "");

    public static string Results(int control, int patient) => string.Join('\r',
        $@"MSH|^~\&|LAB|MAIN|HIS|MAIN|20260105093000||ORU^R01|R{control}|P|2.5",
        $"PID|1||H{patient:000000}^^^MAIN||Doe^Jane||19640229|F",
        $"OBR|1|{control}|{control}|CBC^Blood count|||20260105091500",
        $"OBX|1|NM|718-7^Haemoglobin||{12 + control % 5}.{control % 10}|g/dL|12-16|N|||F",
        $"OBX|2|NM|6690-2^Leucocytes||{4 + control % 7}.{control % 9}|10*9/L|4-11|N|||F",
        "");
}
