using His.Aop;

namespace His.Api;

/// <summary>What the process knows about itself; the lab's truth comes from here.</summary>
public sealed record SystemStatus(
    int Proxies, int ProxiesHeld, IReadOnlyDictionary<string, int> ProxiesByService, IReadOnlyDictionary<string, int> DynamicModules,
    long HeapBytes, long WorkingSetBytes)
{
    public static SystemStatus Get()
    {
        var (made, held) = ServiceLocator.Count();
        return new SystemStatus(made.Values.Sum(), held, made, CountDynamicModules(), GC.GetTotalMemory(false), Environment.WorkingSet);
    }

    private static Dictionary<string, int> CountDynamicModules() =>
        AppDomain.CurrentDomain.GetAssemblies()
            .Where(assembly => assembly.IsDynamic)
            .GroupBy(assembly => assembly.GetName().Name!)
            .ToDictionary(group => group.Key, group => group.Count());
}
