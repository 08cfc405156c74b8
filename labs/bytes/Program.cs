// A rule engine that loads its rules' assembly from bytes. `leak` loads it N times, each copy in a load context of its own
// that never goes; `fixed` loads it once. (The "rules" are this very assembly.)
using System.Reflection;
using System.Text.Json.Nodes;
using Labs;
using Labs.Bytes;

var (variant, count) = Lab.Arguments(args, ["leak", "fixed"], 200);

var image = File.ReadAllBytes(typeof(Rule).Assembly.Location);
Assembly? shared = null;
var loaded = 0;
var accepted = 0;
for (var i = 0; i < count; i++)
{
    var assembly = variant == "leak" ? Load() : shared ??= Load();
    var rule = assembly.GetType(typeof(Rule).FullName!)!;
    accepted += (bool)rule.GetMethod(nameof(Rule.Accepts))!.Invoke(null, [i])! ? 1 : 0;
}

Lab.StandStill(new JsonObject
{
    ["lab"] = "bytes",
    ["variant"] = variant,
    ["calls"] = count,
    ["accepted"] = accepted,
    ["loaded"] = loaded,
    ["image_bytes"] = image.Length,
    ["mvid"] = typeof(Rule).Module.ModuleVersionId.ToString(),
    ["copies_of_this_assembly"] = AppDomain.CurrentDomain.GetAssemblies().Count(a => a.FullName == typeof(Rule).Assembly.FullName),
    ["dynamic_modules"] = Lab.DynamicModules(),
});

Assembly Load()
{
    loaded++;
    return Assembly.Load(image);
}
