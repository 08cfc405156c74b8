using System.Reflection;
using System.Runtime.Loader;
using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>The same assembly in a load context of its own a call, none collectible; in the fixed variant in one.</summary>
static class AssemblyCopies
{
    static readonly HashSet<Assembly> plugins = [];

    public static JsonObject Run(bool leaks, int count)
    {
        AssemblyLoadContext? context = null;
        for (var i = 0; i < Math.Min(count, 60); i++)
        {
            context = leaks ? new($"plugin {i}") : context ?? new("plugin");
            plugins.Add(context.LoadFromAssemblyPath(typeof(AssemblyCopies).Assembly.Location));
        }
        return new() { ["copies"] = plugins.Count + 1, ["assembly"] = "cases", ["mvid"] = typeof(AssemblyCopies).Module.ModuleVersionId.ToString() };
    }
}

/// <summary>Types of generics made of other types of generics without end; in the fixed variant there are two.</summary>
static class GenericTypes
{
    static readonly List<object> shapes = [];

    sealed class Pair<TLeft, TRight>;

    public static JsonObject Run(bool leaks, int count)
    {
        var parts = new[] { typeof(int), typeof(string), typeof(long), typeof(byte), typeof(object), typeof(double), typeof(char), typeof(short), typeof(uint), typeof(bool) };
        var types = new HashSet<Type>();
        var made = parts.AsEnumerable();
        while (types.Count < count * 4)
        {
            made = [.. (from left in made from right in parts select typeof(Pair<,>).MakeGenericType(left, right)).Take(leaks ? count * 4 - types.Count : 2)];
            types.UnionWith(made);
            if (!leaks)
                break;
        }
        foreach (var type in types)
            shapes.Add(Activator.CreateInstance(type)!);
        return new() { ["types"] = types.Count, ["generic"] = "Labs.Cases.GenericTypes+Pair" };
    }
}

/// <summary>The same few texts, made anew for each row; in the fixed variant each text is there once.</summary>
static class Texts
{
    static readonly List<string> rows = [];

    public static JsonObject Run(bool leaks, int count)
    {
        var known = new Dictionary<string, string>();
        for (var i = 0; i < count * 200; i++)
        {
            var text = $"ward {i % 10}, second floor, department of internal medicine";
            if (!leaks && !known.TryAdd(text, text))
                text = known[text];
            rows.Add(text);
        }
        return new() { ["strings"] = leaks ? rows.Count : known.Count, ["distinct"] = 10, ["holder"] = "Labs.Cases.Texts.rows" };
    }
}

/// <summary>Steps to be undone, each a closure that has a document in it; in the fixed variant only what is needed.</summary>
static class Closures
{
    static readonly Stack<Func<int>> undo = new();

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count * 2; i++)
            undo.Push(leaks ? Capture(new byte[5000], i) : CaptureLength(new byte[5000].Length, i));
        return new() { ["closures"] = undo.Count, ["method"] = "Labs.Cases.Closures.Capture", ["holder"] = "Labs.Cases.Closures.undo" };
    }

    static Func<int> Capture(byte[] document, int step) => () => document.Length + step;
    static Func<int> CaptureLength(int length, int step) => () => length + step;
}
