using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>Arrays of one of many lengths rented at once and given back: the shared pool keeps them; in the fixed variant one at a time.</summary>
static class ArrayPools
{
    public static JsonObject Run(bool leaks, int count)
    {
        var rented = new List<byte[]>();
        for (var size = 1 << 20; size <= 1 << 23; size *= 2)
            for (var i = 0; i < 4; i++)
            {
                rented.Add(ArrayPool<byte>.Shared.Rent(size));
                if (leaks)
                    continue;
                rented.Clear();
            }
        var bytes = rented.Sum(array => (long)array.Length);
        rented.ForEach(array => ArrayPool<byte>.Shared.Return(array));
        return new() { ["pooled"] = bytes, ["type"] = typeof(byte[]).FullName, ["arrays"] = rented.Count, ["count"] = count };
    }
}

/// <summary>Notes on objects that are all kept elsewhere, so none of the notes goes; in the fixed variant the objects go.</summary>
static class WeakTables
{
    static readonly ConditionalWeakTable<object, byte[]> notes = [];
    static readonly List<object> patients = [];

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count * 4; i++)
        {
            var patient = new AuditEntry(i);
            notes.Add(patient, new byte[2000]);
            if (leaks)
                patients.Add(patient);
        }
        return new() { ["entries"] = patients.Count, ["key"] = typeof(AuditEntry).FullName, ["holder"] = "Labs.Cases.WeakTables.patients" };
    }
}
