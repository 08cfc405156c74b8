using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;

namespace Labs.Cases;

/// <summary>A named client for each tenant's number, so a handler each; in the fixed variant one name.</summary>
static class HttpClientNames
{
    static readonly ServiceProvider services = new ServiceCollection().AddHttpClient().BuildServiceProvider();

    public static JsonObject Run(bool leaks, int count)
    {
        var factory = services.GetRequiredService<IHttpClientFactory>();
        for (var i = 0; i < count; i++)
            factory.CreateClient(leaks ? $"tenant-{i}" : "tenants").Dispose();
        return new() { ["handlers"] = leaks ? count : 1, ["type"] = "Microsoft.Extensions.Http.ActiveHandlerTrackingEntry", ["holder"] = "Labs.Cases.HttpClientNames.services" };
    }
}
