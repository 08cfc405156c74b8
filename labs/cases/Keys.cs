using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>Nobody wrote Equals: two keys of equal content are two keys.</summary>
sealed class DrugKey(string name, int dose)
{
    public string Name { get; } = name;
    public int Dose { get; } = dose;
}

sealed record DrugRecord(string Name, int Dose);

/// <summary>A cache that never hits, and one that does.</summary>
static class Keys
{
    static readonly Dictionary<DrugKey, string> labels = [];
    static readonly Dictionary<DrugRecord, string> recordLabels = [];

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var name = $"drug {i % 7}";
            if (leaks)
                labels[new DrugKey(name, i % 3)] = $"{name} label";
            else
                recordLabels[new DrugRecord(name, i % 3)] = $"{name} label";
        }
        return new() { ["entries"] = labels.Count + recordLabels.Count, ["contents"] = 21, ["key"] = typeof(DrugKey).FullName, ["holder"] = "Labs.Cases.Keys.labels" };
    }
}
