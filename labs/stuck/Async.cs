using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace Labs.Stuck;

sealed class PaymentException(string message, Exception inner) : Exception(message, inner);

/// <summary>Asynchronous methods that wait, in a few shapes; exceptions that are held and being handled; timers.</summary>
static class Async
{
    static readonly List<TaskCompletionSource<int>> replies = [];
    static readonly List<Task> running = [];
    static readonly SemaphoreSlim closedGate = new(0);
    static readonly List<Exception> failures = [];
    static readonly ManualResetEvent never = new(false);
    static Timer? heartbeat;

    public static JsonObject Run(bool hangs, int count)
    {
        for (var i = 0; hangs && i < count; i++)
            running.Add(Request(i));
        for (var i = 0; hangs && i < 3; i++)
            running.Add(Gate());
        if (hangs)
            running.Add(Fork());
        foreach (var reply in replies)
            if (!hangs)
                reply.SetResult(1);
        running.Add(Task.Delay(TimeSpan.FromHours(3)));
        heartbeat = new Timer(Beat, "beat", TimeSpan.FromMinutes(90), TimeSpan.FromMinutes(30));
        for (var i = 0; i < 3; i++)
            Fail(i);
        using var handling = new ManualResetEventSlim();
        new Thread(() => Handle(handling)) { Name = "handler", IsBackground = true }.Start();
        handling.Wait();
        Thread.Sleep(200);
        return new()
        {
            ["requests"] = hangs ? count : 0, ["gates"] = hangs ? 3 : 0, ["fork"] = hangs ? 1 : 0,
            ["failures"] = failures.Count, ["failure_line"] = ThrowLine, ["inner"] = "System.InvalidOperationException", ["failure"] = typeof(PaymentException).FullName,
            ["thin_lock"] = "System.Collections.Generic.List<System.Exception>",
            ["heartbeat_due"] = 90 * 60 * 1000, ["heartbeat_period"] = 30 * 60 * 1000,
        };
    }

    static async Task Request(int id)
    {
        var answer = await Ask(id);
        Console.Error.WriteLine(answer);
    }

    static async Task<int> Ask(int id)
    {
        await Task.CompletedTask;
        return await Reply(id) + 1;
    }

    static async Task<int> Reply(int id)
    {
        var source = new TaskCompletionSource<int>();
        replies.Add(source);
        return await source.Task + id;
    }

    static async Task Gate()
    {
        await closedGate.WaitAsync();
    }

    static async Task Fork()
    {
        await Task.WhenAll(Branch(TimeSpan.FromHours(1)), Branch(TimeSpan.FromHours(2)));
    }

    static async Task Branch(TimeSpan time) => await Task.Delay(time);

    static void Beat(object? state) => GC.KeepAlive(state);

    static int ThrowLine;

    static void Fail(int id)
    {
        try
        {
            Pay(id);
        }
        catch (Exception e)
        {
            failures.Add(e);
        }
    }

    static void Pay(int id)
    {
        try
        {
            Charge(id);
        }
        catch (InvalidOperationException e)
        {
            throw new PaymentException($"payment {id} failed", e);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Charge(int id, [CallerLineNumber] int line = 0)
    {
        ThrowLine = Here();
        throw new InvalidOperationException("card declined for " + id);
    }

    static int Here([CallerLineNumber] int line = 0) => line + 1;

    static void Handle(ManualResetEventSlim handling)
    {
        try
        {
            Pay(7);
        }
        catch (PaymentException)
        {
            lock (failures) // nobody else wants it: a thin lock
            {
                handling.Set();
                never.WaitOne();
            }
        }
    }
}
