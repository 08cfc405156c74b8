// N calls that each ask a DbContext for the patients of a ward. EF Core keeps one internal service provider for each set of options
// that it takes for different, in a static cache, for ever.
//   leak            a container a call, whose memory cache and logger factory are handed to the options: the cache is part of the key
//   leak-extension  one container, but an options extension of the app's own a context, which equals only itself
//   harmless        a container a call, as bad as it looks, but nothing of it gets into the key: one internal provider
//   fixed           one container, its memory cache handed to the options
//   tracking        one context for all calls: it tracks whatever it saw
//   tracking-fixed  the same, but it forgets after each call
//   healthy         three kinds of contexts: three internal providers
using System.Collections;
using System.Reflection;
using System.Text.Json.Nodes;
using Labs;
using Labs.Ef;
using Microsoft.EntityFrameworkCore.Internal;

var (variant, count) = Lab.Arguments(args, ["leak", "leak-extension", "harmless", "fixed", "tracking", "tracking-fixed", "healthy"], 100);

using var keeper = Database.Create();
var containers = new Containers();
var found = 0;
for (var call = 0; call < count; call++)
    found += variant switch
    {
        "leak" => containers.Make(Options.WithServicesOfTheContainer).PatientsOfWard(call % 3),
        "leak-extension" => containers.Shared(Options.WithTenant).PatientsOfWard(call % 3),
        "harmless" => containers.Make(Options.Plain).PatientsOfWard(call % 3),
        "tracking" or "tracking-fixed" => Tracking.Call(call, variant == "tracking"),
        "fixed" => containers.Shared(Options.WithServicesOfTheContainer).PatientsOfWard(call % 3),
        _ => containers.Shared(Options.ByKind(call % 3)).PatientsOfWard(call % 3),
    };

Lab.StandStill(new JsonObject
{
    ["lab"] = "ef",
    ["variant"] = variant,
    ["calls"] = count,
    ["patients_found"] = found,
    ["containers_made"] = containers.Made,
    ["internal_providers"] = InternalProviders(),
    ["tracked"] = variant.StartsWith("tracking") ? Tracking.Tracked : 0,
    ["tracked_type"] = typeof(Patient).FullName,
    ["holder"] = variant.StartsWith("tracking")
        ? "Labs.Ef.Tracking.session"
        : "Microsoft.EntityFrameworkCore.Internal.ServiceProviderCache.<Instance>k__BackingField",
    ["differs"] = variant switch { "leak" => "_memoryCache", "leak-extension" => "TenantExtension", _ => null },
});

static int InternalProviders()
{
    var field = typeof(ServiceProviderCache).GetField("_configurations", BindingFlags.NonPublic | BindingFlags.Instance)!;
    return ((ICollection)field.GetValue(ServiceProviderCache.Instance)!).Count;
}
