using System.Text.Json.Nodes;

namespace Labs.Stuck;

sealed class Connection(bool blocks)
{
    public static readonly ManualResetEvent Closed = new(false);
    readonly byte[] buffer = new byte[2000];

    ~Connection()
    {
        if (blocks)
            Close();
    }

    void Close()
    {
        Closed.WaitOne();
        GC.KeepAlive(buffer);
    }
}

/// <summary>A finalizer that waits for what never comes: all other finalizers wait behind it. Fixed: it does not wait.</summary>
static class Finalizer
{
    public static JsonObject Run(bool blocks, int count)
    {
        Make(blocks, count);
        GC.Collect();
        Thread.Sleep(500);
        return new() { ["waiting_at_least"] = blocks ? count - 1 : 0, ["type"] = typeof(Connection).FullName, ["method"] = "Labs.Stuck.Connection.Finalize" };
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    static void Make(bool blocks, int count)
    {
        for (var i = 0; i < count; i++)
            _ = new Connection(blocks);
    }
}
