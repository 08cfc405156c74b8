using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace Labs.Stuck;

sealed class Mailer
{
    readonly BlockingCollection<string> queue = [];

    public Thread? Start()
    {
        var thread = new Thread(Deliver) { IsBackground = true };
        thread.Start();
        return thread;
    }

    public void Send(string message) => queue.Add(message);

    void Deliver()
    {
        foreach (var message in queue.GetConsumingEnumerable())
            Interlocked.Add(ref ThreadPerCall.Characters, message.Length);
    }
}

/// <summary>A mailer a call, with a thread that waits for more mail for ever. Fixed: one for all.</summary>
static class ThreadPerCall
{
    public static long Characters;

    public static JsonObject Run(bool leaks, int count)
    {
        Mailer? mailer = null;
        for (var i = 0; i < count; i++)
        {
            if (leaks || mailer is null)
                (mailer = new Mailer()).Start();
            mailer.Send("message " + i);
        }
        Thread.Sleep(500);
        return new() { ["threads"] = leaks ? count : 1, ["method"] = "Labs.Stuck.Mailer.Deliver", ["characters"] = Characters };
    }
}
