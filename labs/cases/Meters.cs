using System.Diagnostics.Metrics;
using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>A meter a call, not disposed: the list of all meters keeps it; in the fixed variant each is disposed.</summary>
static class Meters
{
    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var meter = new Meter("Hospital.Wards");
            meter.CreateCounter<int>("visits").Add(1);
            if (!leaks)
                meter.Dispose();
        }
        return new() { ["meters"] = leaks ? count : 0, ["type"] = typeof(Meter).FullName, ["holder"] = "System.Diagnostics.Metrics.Meter.s_allMeters" };
    }
}
