using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;

namespace Labs.Cases;

/// <summary>A category of log for each patient; in the fixed variant one for all of them.</summary>
static class Loggers
{
    static readonly ILoggerFactory factory = LoggerFactory.Create(builder => builder.SetMinimumLevel(LogLevel.Warning));

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count * 4; i++)
            factory.CreateLogger(leaks ? $"Hospital.Patient.{i}" : "Hospital.Patient").LogDebug("seen {Patient}", i);
        return new() { ["loggers"] = leaks ? count * 4 : 1, ["type"] = "Microsoft.Extensions.Logging.Logger", ["holder"] = "Labs.Cases.Loggers.factory" };
    }
}
