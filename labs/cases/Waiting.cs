using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Labs.Cases;

/// <summary>Requests whose answer never comes: a source of a task each stays in a table; in the fixed variant it is completed.</summary>
static class PendingTasks
{
    static readonly Dictionary<int, TaskCompletionSource<string>> requests = [];

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count * 2; i++)
        {
            _ = Ask(i);
            if (!leaks && requests.Remove(i, out var request))
                request.SetResult("done");
        }
        return new() { ["pending"] = requests.Count, ["method"] = "Labs.Cases.PendingTasks.Ask", ["holder"] = "Labs.Cases.PendingTasks.requests" };
    }

    static async Task<int> Ask(int id)
    {
        var text = new byte[200];
        var answer = await (requests[id] = new TaskCompletionSource<string>()).Task;
        return answer.Length + text.Length;
    }
}

/// <summary>A semaphore that was taken and is never released, with more and more waiters; in the fixed variant it is.</summary>
static class SemaphoreWaiters
{
    static readonly SemaphoreSlim gate = new(1);

    public static JsonObject Run(bool leaks, int count)
    {
        gate.Wait();
        for (var i = 0; i < count; i++)
            _ = Enter();
        for (var i = 0; !leaks && i <= count; i++)
            gate.Release();
        return new() { ["waiters"] = leaks ? count : 0, ["method"] = "Labs.Cases.SemaphoreWaiters.Enter", ["holder"] = "Labs.Cases.SemaphoreWaiters.gate" };
    }

    static async Task Enter() => await gate.WaitAsync();
}

/// <summary>A channel that is written faster than it is read; in the fixed variant it is bounded.</summary>
static class ChannelBacklog
{
    static Channel<AuditEntry>? queue;

    public static JsonObject Run(bool leaks, int count)
    {
        queue = leaks ? Channel.CreateUnbounded<AuditEntry>() : Channel.CreateBounded<AuditEntry>(100);
        var written = 0;
        for (var i = 0; i < count * 40; i++)
            written += queue.Writer.TryWrite(new AuditEntry(i)) ? 1 : 0;
        return new() { ["entries"] = written, ["element"] = typeof(AuditEntry).FullName, ["holder"] = "Labs.Cases.ChannelBacklog.queue" };
    }
}
