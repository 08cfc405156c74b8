using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Labs.Cases;

sealed class Visit(int number)
{
    readonly byte[] notes = new byte[1000];

    public int Length => notes.Length + number;
}

/// <summary>A continuation a call on a task that runs as long as the process; in the fixed variant it is taken off again.</summary>
static class Continuations
{
    static readonly TaskCompletionSource shutdown = new();
    static int cancelled;

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count * 2; i++)
        {
            var visit = new Visit(i);
            using var done = new CancellationTokenSource();
            shutdown.Task.ContinueWith(_ => cancelled += visit.Length, done.Token, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            if (!leaks)
                done.Cancel();
        }
        return new() { ["continuations"] = leaks ? count * 2 : 0, ["holder"] = "Labs.Cases.Continuations.shutdown" };
    }
}

/// <summary>An activity a call that is started and not stopped: each is the parent of the next; in the fixed variant it is stopped.</summary>
static class Activities
{
    static Activity? last;

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count * 4; i++)
        {
            last = new Activity("visit").AddTag("patient", i).Start();
            if (!leaks)
                last.Stop();
        }
        return new() { ["activities"] = leaks ? count * 4 : 0, ["type"] = typeof(Activity).FullName };
    }
}

/// <summary>A buffer of a megabyte in each of many threads; in the fixed variant of a kilobyte.</summary>
static class ThreadStatics
{
    [ThreadStatic]
    static byte[]? buffer;
    static readonly ManualResetEventSlim end = new();

    public static JsonObject Run(bool leaks, int count)
    {
        const int threads = 40;
        using var ready = new CountdownEvent(threads);
        for (var i = 0; i < threads; i++)
            new Thread(() =>
            {
                buffer = new byte[leaks ? 1 << 20 : 1 << 10];
                ready.Signal();
                end.Wait();
                GC.KeepAlive(buffer);
            }, 1 << 18)
            { IsBackground = true }.Start();
        ready.Wait();
        return new() { ["threads"] = threads, ["bytes"] = leaks ? threads << 20 : 0, ["field"] = "Labs.Cases.ThreadStatics.buffer", ["count"] = count };
    }
}

/// <summary>Buffers in the pinned object heap that are kept; in the fixed variant a few are used again.</summary>
static class PinnedBuffers
{
    const int Size = 64 << 10;
    static readonly Queue<byte[]> buffers = new();

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
            if (leaks || buffers.Count < 4)
                buffers.Enqueue(GC.AllocateUninitializedArray<byte>(Size, pinned: true));
        return new() { ["buffers"] = buffers.Count, ["bytes"] = buffers.Count * Size, ["type"] = typeof(byte[]).FullName, ["holder"] = "Labs.Cases.PinnedBuffers.buffers" };
    }
}
