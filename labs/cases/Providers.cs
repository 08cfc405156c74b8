using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;

namespace Labs.Cases;

interface IClock
{
    DateTime Now { get; }
}

sealed class Clock : IClock
{
    public DateTime Now => DateTime.UnixEpoch;
}

/// <summary>What ServiceLocator patterns become: a container a call, kept by who asked.</summary>
static class ServiceLocator
{
    static readonly List<IServiceProvider> providers = [];

    public static T Resolve<T>(bool keeps) where T : notnull
    {
        var provider = new ServiceCollection().AddSingleton<IClock, Clock>().BuildServiceProvider();
        if (keeps)
            providers.Add(provider);
        return provider.GetRequiredService<T>();
    }

    public static int Kept => providers.Count;
}

static class Providers
{
    public static JsonObject Run(bool leaks, int count)
    {
        var clocks = 0;
        for (var i = 0; i < count; i++)
            clocks += ServiceLocator.Resolve<IClock>(leaks || i < 3) is Clock ? 1 : 0;
        return new() { ["made"] = count, ["kept"] = ServiceLocator.Kept, ["clocks"] = clocks, ["holder"] = "Labs.Cases.ServiceLocator.providers" };
    }
}
