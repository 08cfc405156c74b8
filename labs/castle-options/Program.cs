// One shared ProxyGenerator, used wrongly: every call passes new options with a hook. Castle's cache of types is keyed by
// the options, and the options compare their hook by Equals; the hook of `leak` has none, so every call adds types to the one
// dynamic module. The hook of `fixed` compares by what it does. Every tenth proxy stays in a static list.
using System.Text.Json.Nodes;
using Castle.DynamicProxy;
using Labs;
using Labs.CastleOptions;

var (variant, count) = Lab.Arguments(args, ["leak", "fixed"], 300);

var target = new WardService();
for (var i = 0; i < count; i++)
{
    var proxy = Proxies.Make(target, variant);
    proxy.Admit($"Patient {i}");
    if (i % 10 == 0)
        Proxies.Held.Add(proxy);
}

Lab.StandStill(new JsonObject
{
    ["lab"] = "castle-options",
    ["variant"] = variant,
    ["proxies"] = count,
    ["proxies_held"] = Proxies.Held.Count,
    ["holder"] = "Labs.CastleOptions.Proxies.Held",
    ["generators"] = 1,
    ["hook"] = (variant == "leak" ? typeof(AuditedMethods) : typeof(ComparableAuditedMethods)).FullName,
    ["interceptor"] = typeof(Audit).FullName,
    ["intercepted_calls"] = Audit.Calls,
    ["proxy_types"] = Proxies.CountTypes(),
    ["types_in_module"] = Proxies.Held[0].GetType().Module.GetTypes().Length,
    ["dynamic_modules"] = Lab.DynamicModules(),
});
