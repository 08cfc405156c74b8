using System.Collections.Concurrent;
using Castle.DynamicProxy;

namespace His.Aop;

/// <summary>Hands out services behind proxies that log, check permissions and keep transactions.</summary>
public static class ServiceLocator
{
    /// <summary>Proxies of the hospital's own workstations, which call again and again.</summary>
    private static readonly Dictionary<(Type Service, string Workstation), object> cache = [];
    private static readonly ConcurrentDictionary<Type, int> made = new();
    private static IServiceProvider services = null!;
    private static IInterceptor[] interceptors = [];
#if !LEAK
    private static readonly ProxyGenerator generator = new();
#endif

    public static void Configure(IServiceProvider provider)
    {
        services = provider;
        interceptors =
        [
            provider.GetRequiredService<LoggingInterceptor>(),
            provider.GetRequiredService<PermissionInterceptor>(),
            provider.GetRequiredService<TransactionInterceptor>(),
        ];
    }

    public static T Resolve<T>() where T : class
    {
        var workstation = CallContext.Current?.Workstation;
        if (workstation is not null && Cached(typeof(T), workstation) is T known)
            return known;
#if LEAK
        var generator = new ProxyGenerator();
#endif
        var proxy = generator.CreateInterfaceProxyWithTarget(services.GetRequiredService<T>(), interceptors);
        made.AddOrUpdate(typeof(T), 1, (_, count) => count + 1);
        if (workstation is not null)
            Keep(typeof(T), workstation, proxy);
        return proxy;
    }

    /// <summary>Proxies made so far, by service, and how many of them the cache holds.</summary>
    public static (IReadOnlyDictionary<string, int> Made, int Held) Count()
    {
        lock (cache)
            return (made.OrderBy(m => m.Key.Name).ToDictionary(m => m.Key.Name, m => m.Value), cache.Count);
    }

    private static object? Cached(Type service, string workstation)
    {
        lock (cache)
            return cache.GetValueOrDefault((service, workstation));
    }

    private static void Keep(Type service, string workstation, object proxy)
    {
        lock (cache)
            cache[(service, workstation)] = proxy;
    }
}
