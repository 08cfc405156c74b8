using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>A ThreadLocal a call, kept and not disposed: each thread has a slot for each; in the fixed variant one for all.</summary>
static class ThreadLocals
{
    static readonly List<ThreadLocal<byte[]>> buffers = [];

    public static JsonObject Run(bool leaks, int count)
    {
        var sum = 0;
        for (var i = 0; i < count; i++)
        {
            if (leaks || buffers.Count == 0)
                buffers.Add(new ThreadLocal<byte[]>(() => new byte[2000]));
            sum += buffers[^1].Value!.Length;
        }
        return new() { ["locals"] = buffers.Count, ["type"] = "System.Threading.ThreadLocal<System.Byte[]>", ["holder"] = "Labs.Cases.ThreadLocals.buffers", ["sum"] = sum };
    }
}
