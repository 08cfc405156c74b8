using System.Text.Json.Nodes;

namespace Labs.Stuck;

sealed class Account
{
    public decimal Balance = 100;

    public void Transfer(Account to, decimal amount, CountdownEvent bothHold)
    {
        lock (this)
        {
            bothHold.Signal();
            bothHold.Wait(TimeSpan.FromSeconds(1));
            lock (to)
            {
                Balance -= amount;
                to.Balance += amount;
            }
        }
    }
}

/// <summary>Two threads transfer between two accounts in opposite directions, a third one waits behind them. Fixed: all lock in the same order.</summary>
static class Deadlock
{
    static readonly Account giro = new(), savings = new(), cash = new();

    public static JsonObject Run(bool hangs, int count)
    {
        var bothHold = new CountdownEvent(2);
        var there = Start("there", () => giro.Transfer(savings, 10, bothHold));
        var back = Start("back", () => (hangs ? savings : giro).Transfer(hangs ? giro : savings, 5, bothHold));
        bothHold.Wait(TimeSpan.FromSeconds(5));
        if (!hangs)
        {
            there.Join();
            back.Join();
        }
        // A lock that is held for long, with a thread behind it, is no deadlock.
        using var held = new ManualResetEventSlim();
        Start("holder", () => { lock (cash) { held.Set(); Thread.Sleep(Timeout.Infinite); } });
        held.Wait();
        Start("behind-holder", () => { lock (cash) cash.Balance++; });
        if (hangs)
            Start("behind", () => { lock (giro) giro.Balance++; });
        Thread.Sleep(1500);
        return new() { ["threads"] = hangs ? 2 : 0, ["ids"] = new JsonArray(there.ManagedThreadId, back.ManagedThreadId), ["lock"] = typeof(Account).FullName };
    }

    static Thread Start(string name, Action body)
    {
        var thread = new Thread(() => body()) { Name = name, IsBackground = true };
        thread.Start();
        return thread;
    }
}
