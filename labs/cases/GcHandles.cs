using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>A frame that is handed to a device.</summary>
[StructLayout(LayoutKind.Sequential)]
sealed class Frame
{
    public int Number;
    public long Timestamp;
}

/// <summary>Pins a frame at each call, and does not free the handle; in the fixed variant it is freed, and some are kept for use.</summary>
static class GcHandles
{
    static readonly List<GCHandle> inUse = [];

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Send(int number, bool leaks)
    {
        var handle = GCHandle.Alloc(new Frame { Number = number }, GCHandleType.Pinned);
        if (!leaks)
            handle.Free();
    }

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
            Send(i, leaks);
        if (!leaks)
            for (var i = 0; i < 300; i++)
                inUse.Add(GCHandle.Alloc(new Frame { Number = i }, GCHandleType.Pinned));
        return new() { ["handles"] = leaks ? count : 0, ["in_use"] = inUse.Count, ["type"] = typeof(Frame).FullName };
    }
}
