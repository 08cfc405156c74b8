using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using System.Text.Json.Nodes;

namespace Labs.Cases;

sealed class PluginContext() : AssemblyLoadContext("plugin", isCollectible: true)
{
    protected override Assembly? Load(AssemblyName name) => null;
}

/// <summary>Load contexts that were told to unload, but an object of a plugin's type is kept; in the fixed variant none is.</summary>
static class LoadContexts
{
    static readonly List<object> results = [];

    public static JsonObject Run(bool leaks, int count)
    {
        count = Math.Min(count, 50);
        for (var i = 0; i < count; i++)
            UsePlugin(leaks);
        for (var i = 0; i < 10; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        return new() { ["contexts"] = results.Count, ["type"] = typeof(PluginContext).FullName, ["holder"] = "Labs.Cases.LoadContexts.results" };
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void UsePlugin(bool leaks)
    {
        var context = new PluginContext();
        var plugin = context.LoadFromAssemblyPath(typeof(LoadContexts).Assembly.Location);
        var result = Activator.CreateInstance(plugin.GetType("Labs.Cases.UnitOfWork")!)!;
        if (leaks)
            results.Add(result);
        context.Unload();
    }
}
