using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Labs.Cases;

/// <summary>A compiled expression for each patient's name, kept; in the fixed variant the name is looked for, and no part of a pattern.</summary>
static class Regexes
{
    static readonly Dictionary<string, Regex> byName = [];

    public static JsonObject Run(bool leaks, int count)
    {
        var found = 0;
        for (var i = 0; i < count; i++)
        {
            var pattern = leaks ? $@"\bpatient {i}\b" : @"\bpatient \d+\b";
            if (!byName.TryGetValue(pattern, out var regex))
                byName[pattern] = regex = Compile(pattern);
            found += regex.Count($"patient {i} was seen by patient {i + 1}");
        }
        return new() { ["regexes"] = byName.Count, ["type"] = typeof(Regex).FullName, ["holder"] = "Labs.Cases.Regexes.byName", ["found"] = found };
    }

    static Regex Compile(string pattern) => new(pattern, RegexOptions.Compiled);
}
