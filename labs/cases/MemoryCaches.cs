using System.Text.Json.Nodes;
using Microsoft.Extensions.Caching.Memory;

namespace Labs.Cases;

sealed record Report(int Patient, byte[] Pages);

/// <summary>A cache without limit whose entries do not expire; in the fixed variant it has a limit.</summary>
static class MemoryCaches
{
    static MemoryCache? reports;

    public static JsonObject Run(bool leaks, int count)
    {
        reports = new MemoryCache(new MemoryCacheOptions { SizeLimit = leaks ? null : 100 });
        for (var i = 0; i < count * 4; i++)
            reports.Set($"report of patient {i}", new Report(i, new byte[500]), new MemoryCacheEntryOptions { Size = 1 });
        return new() { ["entries"] = reports.Count, ["element"] = typeof(Report).FullName, ["holder"] = "Labs.Cases.MemoryCaches.reports" };
    }
}
