// N Castle proxies of three interfaces in turn. `leak` makes a ProxyGenerator a call, and so a dynamic module a call,
// which nothing can unload; `fixed` makes one generator and reuses its types. Every tenth proxy stays in a static list.
using System.Text.Json.Nodes;
using Castle.DynamicProxy;
using Labs;
using Labs.Castle;

var (variant, count) = Lab.Arguments(args, ["leak", "fixed"], 300);

var patients = new PatientService();
var drugs = new DrugService();
var billing = new BillingService();
for (var i = 0; i < count; i++)
{
    switch (i % 3)
    {
        case 0: Use(i, ProxyFactory.Make<IPatientService>(patients, variant)).Register($"Patient {i}", new DateTime(1970, 1, 1)); break;
        case 1: Use(i, ProxyFactory.Make<IDrugService>(drugs, variant)).Dispense("ASA-100", 1); break;
        default: Use(i, ProxyFactory.Make<IBillingService>(billing, variant)).Charge(i, 12.50m); break;
    }
}

Lab.StandStill(new JsonObject
{
    ["lab"] = "castle",
    ["variant"] = variant,
    ["proxies"] = count,
    ["proxies_held"] = ProxyFactory.Held.Count,
    ["holder"] = "Labs.Castle.ProxyFactory.Held",
    ["generators"] = ProxyFactory.GeneratorCount,
    ["dynamic_modules"] = Lab.DynamicModules(),
    ["types"] = ProxyFactory.CountTypes(),
    ["interceptor"] = typeof(CallCounter).FullName,
    ["intercepted_calls"] = CallCounter.Calls,
});

static T Use<T>(int i, T proxy) where T : class
{
    if (i % 10 == 0)
        ProxyFactory.Held.Add(proxy);
    return proxy;
}
