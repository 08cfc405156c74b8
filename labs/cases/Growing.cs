using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace Labs.Cases;

sealed class AuditEntry(int number)
{
    public int Number { get; } = number;
    public string Text { get; } = $"patient record {number} was read";
}

/// <summary>A static queue that nobody empties; in the fixed variant the oldest make room.</summary>
static class Growing
{
    static readonly ConcurrentQueue<AuditEntry> audit = new();

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count * 100; i++)
        {
            audit.Enqueue(new AuditEntry(i));
            if (!leaks && audit.Count > 100)
                audit.TryDequeue(out _);
        }
        return new() { ["entries"] = audit.Count, ["element"] = typeof(AuditEntry).FullName, ["holder"] = "Labs.Cases.Growing.audit" };
    }
}
