using System.Globalization;
using His.Domain;

namespace His.Hl7;

/// <summary>
/// An HL7 v2 message: segments a line, fields between '|', components between '^', repetitions between '~'. The five separators
/// are what the MSH segment says they are. Numbers of fields and components start at 1, as in the standard.
/// </summary>
public sealed class Message
{
    private readonly List<string[]> segments;
    private readonly char component;
    private readonly char repetition;
    private readonly char escape;

    private Message(List<string[]> segments, string separators)
    {
        this.segments = segments;
        component = separators[0];
        repetition = separators[1];
        escape = separators[2];
    }

    public string Type => Field("MSH", 9);
    public string TypeCode => Component("MSH", 9, 1);
    public string Trigger => Component("MSH", 9, 2);
    public string ControlId => Field("MSH", 10);

    public static Message Parse(string text)
    {
        if (text.Length < 8 || !text.StartsWith("MSH", StringComparison.Ordinal))
            throw new RuleViolation("an HL7 message starts with MSH");
        var separator = text[3];
        var lines = text.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries);
        var segments = lines.Select(line => line.Split(separator)).ToList();
        if (segments[0].Length < 12 || segments[0][1].Length < 4)
            throw new RuleViolation("the MSH segment is too short");
        // MSH-1 is the separator itself, so its fields are one further than they look.
        segments[0] = ["MSH", separator.ToString(), .. segments[0][1..]];
        return new Message(segments, segments[0][2]);
    }

    public IEnumerable<Segment> Segments(string name) => segments.Where(s => s[0] == name).Select(s => new Segment(this, s));

    public string Field(string segment, int field) => Segments(segment).FirstOrDefault()?.Field(field) ?? "";

    public string Component(string segment, int field, int number) => Segments(segment).FirstOrDefault()?.Component(field, number) ?? "";

    /// <summary>yyyyMMdd[HHmm[ss]].</summary>
    public static DateTime Time(string text)
    {
        string[] formats = ["yyyyMMddHHmmss", "yyyyMMddHHmm", "yyyyMMdd"];
        return DateTime.TryParseExact(text, formats, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time)
            ? time
            : throw new RuleViolation($"'{text}' is no HL7 time");
    }

    private string Unescape(string text)
    {
        if (!text.Contains(escape))
            return text;
        var parts = text.Split(escape);
        for (var i = 1; i < parts.Length - 1; i += 2)
            parts[i] = parts[i] switch
            {
                "F" => segments[0][1], "S" => component.ToString(), "R" => repetition.ToString(), "E" => escape.ToString(), "T" => "&",
                _ => "",
            };
        return string.Concat(parts);
    }

    public sealed class Segment(Message message, string[] fields)
    {
        public string Field(int number) => number < fields.Length ? message.Unescape(fields[number].Split(message.repetition)[0]) : "";

        public string Component(int field, int number)
        {
            if (field >= fields.Length)
                return "";
            var components = fields[field].Split(message.repetition)[0].Split(message.component);
            return number <= components.Length ? message.Unescape(components[number - 1]) : "";
        }
    }
}
