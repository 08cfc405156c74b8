using System.Text.Json.Nodes;

namespace Labs.Cases;

static class Shutdown
{
    public static readonly CancellationTokenSource Source = new();
}

sealed class Import
{
    readonly byte[] rows = new byte[1000];

    public int Cancelled { get; private set; }

    public CancellationTokenRegistration Start(CancellationToken token) => token.Register(() => Cancelled = rows.Length);
}

/// <summary>Registers with the token of the whole process at each call, and does not unregister.</summary>
static class Registrations
{
    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var registration = new Import().Start(Shutdown.Source.Token);
            if (!leaks)
                registration.Dispose();
        }
        return new() { ["registrations"] = leaks ? count : 0, ["holder"] = "Labs.Cases.Shutdown.Source" };
    }
}

/// <summary>A source linked to the token of the whole process at each call, and not disposed.</summary>
static class LinkedTokens
{
    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var linked = CancellationTokenSource.CreateLinkedTokenSource(Shutdown.Source.Token);
            if (!leaks)
                linked.Dispose();
        }
        return new() { ["registrations"] = leaks ? count : 0, ["holder"] = "Labs.Cases.Shutdown.Source" };
    }
}
