using System.Text.Json.Nodes;
using Castle.DynamicProxy;

namespace Labs.Castle;

static class ProxyFactory
{
    /// <summary>The part of the proxies that is never let go.</summary>
    public static readonly List<object> Held = [];

    public static int GeneratorCount { get; private set; }

    private static ProxyGenerator? shared;
    private static readonly Dictionary<Type, (int Modules, Type Sample)> made = [];

    public static T Make<T>(T target, string variant) where T : class
    {
        var generator = variant == "leak" ? NewGenerator() : shared ??= NewGenerator();
        var proxy = generator.CreateInterfaceProxyWithTarget(target, new CallCounter());
        var type = proxy.GetType();
        var (modules, sample) = made.GetValueOrDefault(typeof(T), (0, type));
        made[typeof(T)] = (sample == type ? 1 : modules + 1, sample);
        return proxy;
    }

    /// <summary>Generated proxy types by full name: how many there are.</summary>
    public static JsonObject CountTypes() =>
        new(made.Values.Select(m => KeyValuePair.Create(m.Sample.FullName!, (JsonNode?)m.Modules)));

    private static ProxyGenerator NewGenerator()
    {
        GeneratorCount++;
        return new ProxyGenerator();
    }
}

/// <summary>Counts the calls that pass through it; stands for the logging of the real thing.</summary>
sealed class CallCounter : IInterceptor
{
    public static int Calls { get; private set; }

    public void Intercept(IInvocation invocation)
    {
        Calls++;
        invocation.Proceed();
    }
}
