using System.Text.Json.Nodes;

namespace Labs.Mix;

/// <summary>What a thread has for itself, with its name to recognise it by.</summary>
class PerThread(string owner)
{
    public string Owner = owner;
}

/// <summary>Threads that wait, each with thread statics, a thread local and a local variable; monitors owned, waited for and inflated.</summary>
static class Threads
{
    [ThreadStatic] private static PerThread? mine;
    [ThreadStatic] private static long ticks;
    private static readonly ThreadLocal<PerThread> local = new(() => new PerThread(Thread.CurrentThread.Name + " (local)"), trackAllValues: true);
    private static readonly AsyncLocal<string> ambient = new();
    private static readonly ManualResetEvent never = new(false);
    private static readonly object owned = new();
#if NET9_0_OR_GREATER
    private static readonly Lock modernLock = new();
#else
    private static readonly object modernLock = new();
#endif
    public static Timer? Heartbeat;

    public static JsonObject Make()
    {
        using var started = new CountdownEvent(4);
        ambient.Value = "captured by the timer";
        Heartbeat = new Timer(_ => ticks++, null, TimeSpan.FromHours(1), TimeSpan.FromHours(1));
        Start("lab-idle", () => Hold(started));
        Start("lab-owner", () =>
        {
            lock (owned)
            lock (modernLock)
                Hold(started);
        });
        Start("lab-deep", () => Recurse(20, () => Hold(started)));
        Start("lab-catcher", () =>
        {
            try
            {
                throw new InvalidOperationException("caught, and held while waiting");
            }
            catch (InvalidOperationException e)
            {
                Hold(started);
                GC.KeepAlive(e);
            }
        });
        started.Wait();

        // Waits for the monitor that lab-owner never gives back: its object gets a sync block with an owner.
        Start("lab-waiter", () => { lock (owned) Console.Error.WriteLine("never"); });
        Thread.Sleep(200);

        return new JsonObject
        {
            ["names"] = new JsonArray("lab-idle", "lab-owner", "lab-deep", "lab-catcher", "lab-waiter"),
            ["thread_static_objects"] = 4,
            ["thread_local_objects"] = 4,
            ["stack_objects"] = 4,
            ["owned_monitors"] = 1,
            ["recursion"] = 21,
            ["timers_at_least"] = 1,
        };
    }

    private static void Start(string name, Action body) =>
        new Thread(() => body()) { Name = name, IsBackground = true }.Start();

    private static void Recurse(int depth, Action bottom)
    {
        var here = new PerThread($"depth {depth}");
        if (depth == 0)
            bottom();
        else
            Recurse(depth - 1, bottom);
        GC.KeepAlive(here);
    }

    private static void Hold(CountdownEvent started)
    {
        var name = Thread.CurrentThread.Name!;
        mine = new PerThread(name + " (static)");
        ticks = Environment.CurrentManagedThreadId;
        _ = local.Value;
        var onStack = new PerThread(name + " (stack)");
        started.Signal();
        never.WaitOne();
        GC.KeepAlive(onStack);
        GC.KeepAlive(mine);
    }
}
