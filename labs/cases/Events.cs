using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>Lives as long as the process, and so does who listens to it and does not stop.</summary>
static class WardBoard
{
    public static event EventHandler? Changed;

    public static void Change() => Changed?.Invoke(null, EventArgs.Empty);

    public static int Listeners => Changed?.GetInvocationList().Length ?? 0;
}

sealed class BedView : IDisposable
{
    readonly byte[] picture = new byte[2000];

    public int Refreshed { get; private set; }

    public BedView() => WardBoard.Changed += Refresh;

    void Refresh(object? sender, EventArgs e) => Refreshed += picture.Length;

    public void Dispose() => WardBoard.Changed -= Refresh;
}

/// <summary>A view a call; disposed only in the fixed variant. Twenty stay open in both.</summary>
static class Events
{
    static readonly List<BedView> open = [];

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < 20; i++)
            open.Add(new BedView());
        for (var i = 0; i < count; i++)
        {
            var view = new BedView();
            if (!leaks)
                view.Dispose();
        }
        WardBoard.Change();
        return new() { ["handlers"] = WardBoard.Listeners, ["target"] = typeof(BedView).FullName, ["holder"] = "Labs.Cases.WardBoard.Changed" };
    }
}
