// A cache whose N keys are never equal, each field for a reason of its own; what `differ -keys-of` must say of each is in the truth.
using System.Text.Json.Nodes;
using Labs;
using Labs.Differ;

var (variant, count) = Lab.Arguments(args, ["leak"], 1000);

for (var i = 0; i < count; i++)
    Cache.Answers[new Key(i)] = $"answer {i}";
GC.Collect();

Lab.StandStill(new JsonObject
{
    ["lab"] = "differ",
    ["variant"] = variant,
    ["keys"] = Cache.Answers.Count,
    ["holder"] = "Labs.Differ.Cache.Answers",
    ["verdicts"] = new JsonObject
    {
        ["Tenant"] = "equal", ["Shared"] = "equal", ["Ward"] = "varies", ["Name"] = "content", ["Sequence"] = "grows",
        ["Made"] = "grows", ["Id._a"] = "content", ["Options"] = "identity", ["Tags[1]"] = "content",
        ["Settings[\"region\"]"] = "varies", ["Origin"] = "varies", ["Back"] = "identity",
    },
});
