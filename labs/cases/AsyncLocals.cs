using System.Text.Json.Nodes;

namespace Labs.Cases;

sealed class RequestContext(int number)
{
    public int Number { get; } = number;
    public byte[] Body { get; } = new byte[2000];
}

/// <summary>A timer a call that is kept, and with it the flow of its AsyncLocals; in the fixed variant the flow is suppressed.</summary>
static class AsyncLocals
{
    static readonly AsyncLocal<RequestContext?> current = new();
    static readonly List<Timer> timers = [];
    static int ticks;

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
        {
            current.Value = new RequestContext(i);
            using var flow = leaks ? default : ExecutionContext.SuppressFlow();
            timers.Add(new Timer(static _ => ticks++, null, TimeSpan.FromHours(1), TimeSpan.FromHours(1)));
        }
        current.Value = null;
        return new() { ["contexts"] = leaks ? count : 0, ["type"] = typeof(RequestContext).FullName, ["holder"] = "Labs.Cases.AsyncLocals.timers" };
    }
}
