using System.Text.Json.Nodes;

namespace Labs.Cases;

sealed class BedMonitor : IDisposable
{
    readonly byte[] samples = new byte[1000];
    readonly Timer timer;

    public int Seen { get; private set; }

    public BedMonitor() => timer = new Timer(_ => Seen += samples.Length, null, TimeSpan.FromHours(1), TimeSpan.FromHours(1));

    public void Dispose() => timer.Dispose();
}

/// <summary>A monitor with a periodic timer a call: the queue of timers keeps it. The timeouts of waiting tasks are in both variants.</summary>
static class Timers
{
    static readonly List<Task> waiting = [];

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var monitor = new BedMonitor();
            if (leaks)
                GC.SuppressFinalize(monitor);
            else
                monitor.Dispose();
            waiting.Add(Task.Delay(TimeSpan.FromHours(2)));
        }
        return new() { ["timers"] = leaks ? count : 0, ["delays"] = count, ["target"] = typeof(BedMonitor).FullName, ["active"] = Timer.ActiveCount };
    }
}
