using System.Runtime;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>Large arrays, of which every eighth is kept: the large object heap is full of holes; in the fixed variant it is compacted.</summary>
static class LargeHoles
{
    const int Length = 100_000;
    static readonly List<byte[]> scans = [];

    public static JsonObject Run(bool leaks, int count)
    {
        var all = new byte[count][];
        for (var i = 0; i < all.Length; i++)
            all[i] = new byte[Length];
        for (var i = 0; i < all.Length; i += 8)
            scans.Add(all[i]);
        Array.Clear(all);
        if (!leaks)
            GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect();
        return new() { ["kept"] = scans.Count, ["type"] = typeof(byte[]).FullName, ["free_at_least"] = leaks ? (all.Length - scans.Count - 16) * Length : 0 };
    }
}

/// <summary>Small buffers that are pinned for good while all around them goes; in the fixed variant they lie in the pinned object heap.</summary>
static class PinnedHoles
{
    static readonly List<GCHandle> handles = [];
    static readonly List<byte[]> buffers = [];

    public static JsonObject Run(bool leaks, int count)
    {
        var garbage = new List<byte[]>();
        for (var i = 0; i < count; i++)
        {
            var buffer = leaks ? new byte[100] : GC.AllocateArray<byte>(100, pinned: true);
            buffers.Add(buffer);
            if (leaks)
                handles.Add(GCHandle.Alloc(buffer, GCHandleType.Pinned));
            for (var k = 0; k < 100; k++)
                garbage.Add(new byte[1000]);
        }
        garbage = null;
        GC.Collect(2, GCCollectionMode.Forced, true, true);
        return new() { ["pinned"] = handles.Count, ["type"] = typeof(byte[]).FullName };
    }
}

/// <summary>A peak that is over: the GC keeps the memory (run with DOTNET_GCRetainVM=1); in the fixed variant there was none.</summary>
static class KeptMemory
{
    public static JsonObject Run(bool leaks, int count)
    {
        var peak = leaks ? Peak(count) : 0;
        GC.Collect(2, GCCollectionMode.Forced, true, true);
        return new() { ["peak"] = peak, ["kept_at_least"] = peak / 2 };
    }

    static long Peak(int count)
    {
        var all = new List<byte[]>();
        for (var i = 0; i < count * 4; i++)
            all.Add(new byte[80_000]);
        return all.Sum(array => (long)array.Length);
    }
}
