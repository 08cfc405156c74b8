using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;

namespace Labs.Mix;

/// <summary>Strings: literals (in the frozen heap), built ones, duplicates, hostile ones.</summary>
static class Text
{
    public const string Literal = "frozen literal: Stationsapotheke";
    public static readonly string Frozen = Literal;
    public static readonly string[] Duplicates = [.. Enumerable.Range(0, 500).Select(_ => new StringBuilder("the same text ").Append("again").ToString())];
    public static readonly string[] Hostile =
    [
        new('x', 1), "\u001b[31mred\u001b[0m".Insert(0, "esc:"), "<script>alert(1)</script>".Insert(0, "html:"), "=1+1".Insert(0, "csv:"),
        "lone " + new string('\ud800', 1), "nul\0inside".Insert(0, "nul:"), "rtl \u202e reversed".Insert(0, "bidi:"),
        "Grüße, 医院, 🏥".Insert(0, "utf:"), "line\r\nbreak".Insert(0, "eol:"), string.Empty,
    ];
    public static readonly string Long = new('L', 60_000);
    public static readonly StringBuilder Builder = new StringBuilder().Append('b', 20_000).Append('c', 20_000);

    public static JsonObject Make() => new()
    {
        ["literal"] = Literal,
        ["literal_generation"] = GC.GetGeneration(Frozen),
        ["duplicates"] = Duplicates.Length,
        ["duplicate_value"] = Duplicates[0],
        ["hostile_utf16"] = new JsonArray([.. Hostile.Select(s => (JsonNode?)Convert.ToHexString(MemoryMarshal.AsBytes(s.AsSpan())))]),
        ["long"] = Long.Length,
    };
}
