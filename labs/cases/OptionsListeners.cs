using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Labs.Cases;

sealed class WardOptions
{
    public int Beds { get; set; } = 12;
}

sealed class WardService : IDisposable
{
    readonly byte[] plan = new byte[2000];
    readonly IDisposable? subscription;
    int beds;

    public WardService(IOptionsMonitor<WardOptions> monitor)
    {
        beds = monitor.CurrentValue.Beds + plan.Length;
        subscription = monitor.OnChange(options => beds = options.Beds + plan.Length);
    }

    public int Beds => beds;

    public void Dispose() => subscription?.Dispose();
}

/// <summary>A service a call that listens for changes of its options; in the fixed variant it is disposed.</summary>
static class OptionsListeners
{
    static readonly ServiceProvider services = new ServiceCollection().AddOptions<WardOptions>().Services.BuildServiceProvider();

    public static JsonObject Run(bool leaks, int count)
    {
        var monitor = services.GetRequiredService<IOptionsMonitor<WardOptions>>();
        var beds = 0;
        for (var i = 0; i < count; i++)
        {
            var service = new WardService(monitor);
            beds += service.Beds;
            if (!leaks)
                service.Dispose();
        }
        return new() { ["listeners"] = leaks ? count : 0, ["target"] = typeof(WardService).FullName, ["holder"] = "Labs.Cases.OptionsListeners.services", ["beds"] = beds };
    }
}
