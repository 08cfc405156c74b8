// A hand-written code generator: accessors of a property, through an assembly of their own. `leak` emits an assembly a call,
// `fixed` an assembly a property. Assemblies of AssemblyBuilderAccess.Run can never be unloaded.
using System.Text.Json.Nodes;
using Labs;
using Labs.Emit;

var (variant, count) = Lab.Arguments(args, ["leak", "fixed"], 300);

var sum = 0;
for (var i = 0; i < count; i++)
    sum += AccessorGenerator.Getter<Bed, int>(i % 2 == 0 ? nameof(Bed.Number) : nameof(Bed.Ward), variant).Get(new Bed { Number = i, Ward = 1 });

Lab.StandStill(new JsonObject
{
    ["lab"] = "emit",
    ["variant"] = variant,
    ["calls"] = count,
    ["sum"] = sum,
    ["generated"] = AccessorGenerator.Made,
    ["held"] = AccessorGenerator.Cache.Count,
    ["dynamic_modules"] = Lab.DynamicModules(),
});

public class Bed
{
    public int Number { get; set; }
    public int Ward { get; set; }
}
