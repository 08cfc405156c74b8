// Sends the hospital backend a day's mixture of requests, one after the other, until it has made N proxies; then prints the truth.
// usage: his-driver [leak|fixed [N]]; the variant is only written down, it was decided when the backend was built.
using System.Text.Json.Nodes;
using His.Driver;

var variant = args.Length > 0 ? args[0] : "leak";
var target = args.Length > 1 ? int.Parse(args[1]) : 300;

using var backend = new Backend(new Uri("http://127.0.0.1:5080"));
await backend.Login("admin", "admin");
var day = new Day(backend);
await day.Begin();

JsonObject status;
int proxies;
for (status = await backend.Status(); (proxies = (int)status["proxies"]!) < target; status = await backend.Status())
{
    var missing = target - proxies;
    for (var i = 0; i < missing / Day.ProxiesPerStepAtMost; i++)
        await day.Step();
    if (missing < Day.ProxiesPerStepAtMost)
        await day.SmallStep();
}

Console.WriteLine(new JsonObject
{
    ["lab"] = "his",
    ["variant"] = variant,
    ["requests"] = backend.Requests,
    ["failed_requests"] = backend.Failed,
    ["proxies"] = proxies,
    ["proxies_held"] = status["proxiesHeld"]!.DeepClone(),
    ["holder"] = "His.Aop.ServiceLocator.cache",
    ["generators"] = variant == "leak" ? proxies : 1,
    ["generator_made_by"] = variant == "leak" ? "His.Aop.ServiceLocator.Resolve" : "His.Aop.ServiceLocator..cctor",
    ["proxies_by_service"] = status["proxiesByService"]!.DeepClone(),
    ["dynamic_modules"] = status["dynamicModules"]!.DeepClone(),
}.ToJsonString());
