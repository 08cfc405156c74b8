// Work that is stuck, one file each, by variant: `deadlock` hangs, `deadlock-fixed` does the same work without.
using System.Text.Json.Nodes;
using Labs;
using Labs.Stuck;

var cases = new Dictionary<string, Func<bool, int, JsonObject>>
{
    ["deadlock"] = Deadlock.Run,
    ["starvation"] = Starvation.Run,
    ["threads"] = ThreadPerCall.Run,
    ["finalizer"] = Finalizer.Run,
    ["async"] = Async.Run,
};
var (variant, count) = Lab.Arguments(args, [.. cases.Keys, .. cases.Keys.Select(name => name + "-fixed")], 100);
var name = variant.EndsWith("-fixed") ? variant[..^6] : variant;

var truth = cases[name](variant == name, count);
truth["lab"] = "stuck";
truth["variant"] = variant;
Lab.StandStill(truth);
