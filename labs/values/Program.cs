// One of each kind of value that is shown as its users see it; what `dumpobj` of the holder must say of each field is in the truth.
using System.Text.Json.Nodes;
using Labs;
using Labs.Values;

var (variant, _) = Lab.Arguments(args, ["healthy"], 1);

var holder = new Holder();
holder.Fill();
Holder.Kept = holder;
GC.Collect();

var shown = new JsonObject();
foreach (var (field, text) in holder.Shown)
    shown[field] = text;
Lab.StandStill(new JsonObject { ["lab"] = "values", ["variant"] = variant, ["holder"] = "Labs.Values.Holder.Kept", ["shown"] = shown });
GC.KeepAlive(holder);
