using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>A token source with a long timeout a call, not disposed; in the fixed variant each is.</summary>
static class TokenTimeouts
{
    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var source = new CancellationTokenSource(TimeSpan.FromHours(4));
            source.Token.ThrowIfCancellationRequested();
            if (!leaks)
                source.Dispose();
        }
        return new() { ["sources"] = leaks ? count : 0, ["type"] = typeof(CancellationTokenSource).FullName };
    }
}
