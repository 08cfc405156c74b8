using System.Text.Json.Nodes;

namespace Labs;

/// <summary>What every console lab does around its leak: read the arguments, tell the truth, stand still to be dumped.</summary>
static class Lab
{
    /// <summary>VARIANT and N of the command line `LAB VARIANT N`.</summary>
    public static (string Variant, int Count) Arguments(string[] args, string[] variants, int defaultCount)
    {
        var variant = args.Length > 0 ? args[0] : variants[0];
        if (!variants.Contains(variant))
            throw new ArgumentException($"variant '{variant}' is none of {string.Join(", ", variants)}");
        return (variant, args.Length > 1 ? int.Parse(args[1]) : defaultCount);
    }

    /// <summary>Prints the truth and "ready", then waits until standard input ends, at most an hour.</summary>
    public static void StandStill(JsonObject truth)
    {
        Console.WriteLine(truth.ToJsonString());
        Console.WriteLine("ready");
        Task.Run(Console.In.ReadToEnd).Wait(TimeSpan.FromHours(1));
    }

    /// <summary>Dynamic modules by assembly name, as the runtime itself counts them.</summary>
    public static JsonObject DynamicModules()
    {
        var byName = from assembly in AppDomain.CurrentDomain.GetAssemblies()
                     where assembly.IsDynamic
                     group assembly by assembly.GetName().Name! into g
                     orderby g.Key
                     select KeyValuePair.Create(g.Key, (JsonNode?)g.Sum(a => a.GetModules().Length));
        return new JsonObject(byName);
    }
}
