// Leaks of managed references, one file each, by variant: `events` leaks, `events-fixed` does the same work without.
using System.Text.Json.Nodes;
using Labs;
using Labs.Cases;

var cases = new Dictionary<string, Func<bool, int, JsonObject>>
{
    ["events"] = Events.Run,
    ["timers"] = Timers.Run,
    ["registrations"] = Registrations.Run,
    ["linked-tokens"] = LinkedTokens.Run,
    ["providers"] = Providers.Run,
    ["http-clients"] = HttpClients.Run,
    ["keys"] = Keys.Run,
    ["growing"] = Growing.Run,
};
var (variant, count) = Lab.Arguments(args, [.. cases.Keys, .. cases.Keys.Select(name => name + "-fixed")], 500);
var name = variant.EndsWith("-fixed") ? variant[..^6] : variant;

var truth = cases[name](variant == name, count);
GC.Collect();
GC.WaitForPendingFinalizers();
GC.Collect();
truth["lab"] = "cases";
truth["variant"] = variant;
Lab.StandStill(truth);
