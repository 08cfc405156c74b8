using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Loader;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml.Serialization;

namespace Labs.Mix;

/// <summary>What a plug-in is to its host: it has statics of its own in every load context.</summary>
public class Plugin
{
    public static readonly List<Plugin> All = [];
    public string Name = "";

    public Plugin() => All.Add(this);
}

public class Prescription
{
    public string Drug { get; set; } = "";
    public int Days { get; set; }
}

/// <summary>Load contexts, dynamic assemblies and methods, an assembly from bytes, generated code of the framework. All of it bounded.</summary>
static class Loading
{
    public static readonly List<AssemblyLoadContext> Contexts = [];
    public static readonly List<object> Plugins = [];
    public static readonly List<object> Generated = [];
    public static readonly List<Func<int, int>> Methods = [];
    public static Assembly FromBytes = null!;
    public static XmlSerializer Serializer = null!;
    public static Regex Pattern = null!;

    public static JsonObject Make()
    {
        var own = typeof(Plugin).Assembly.Location;
        for (var i = 0; i < 3; i++)
        {
            var context = new AssemblyLoadContext($"plugin-{i}", isCollectible: true);
            var type = context.LoadFromAssemblyPath(own).GetType(typeof(Plugin).FullName!)!;
            Contexts.Add(context);
            Plugins.Add(Activator.CreateInstance(type)!);
        }
        Contexts.Add(new AssemblyLoadContext("permanent", isCollectible: false));
        Plugins.Add(Activator.CreateInstance(Contexts[^1].LoadFromAssemblyPath(own).GetType(typeof(Plugin).FullName!)!)!);

        for (var i = 0; i < 10; i++)
            Generated.Add(Emit(i));
        for (var i = 0; i < 20; i++)
            Methods.Add(EmitMethod(i));

        FromBytes = Assembly.Load(File.ReadAllBytes(own));
        Serializer = new XmlSerializer(typeof(Prescription));
        Serializer.Serialize(TextWriter.Null, new Prescription { Drug = "ASA", Days = 3 });
        Pattern = new Regex(@"^(\w+)\^(\w+)$", RegexOptions.Compiled);
        Pattern.Match("Doe^Jane");

        return new JsonObject
        {
            ["collectible_contexts"] = 3,
            ["other_contexts"] = 1,
            ["plugins"] = Plugins.Count,
            ["copies_of_this_assembly"] = 1 + Contexts.Count + 1,
            ["collectible_dynamic_assemblies"] = Generated.Count,
            ["dynamic_methods"] = Methods.Count,
            ["dynamic_method_results"] = new JsonArray([.. Methods.Select((m, i) => (JsonNode?)m(i))]),
            ["from_bytes"] = 1,
            ["xml_serializers"] = 1,
            ["compiled_regexes"] = 1,
        };
    }

    private static object Emit(int i)
    {
        var assembly = AssemblyBuilder.DefineDynamicAssembly(new AssemblyName($"Collectible{i}"), AssemblyBuilderAccess.RunAndCollect);
        var type = assembly.DefineDynamicModule($"Collectible{i}.dll").DefineType($"Generated.Form{i}", TypeAttributes.Public);
        type.DefineField("Text", typeof(string), FieldAttributes.Public);
        type.DefineField("Last", typeof(object), FieldAttributes.Public | FieldAttributes.Static);
        var made = type.CreateType();
        var form = Activator.CreateInstance(made)!;
        made.GetField("Text")!.SetValue(form, $"form {i}");
        made.GetField("Last")!.SetValue(null, form);
        return form;
    }

    private static Func<int, int> EmitMethod(int i)
    {
        var method = new DynamicMethod($"Add{i}", typeof(int), [typeof(int)]);
        var il = method.GetILGenerator();
        il.Emit(OpCodes.Ldarg_0);
        il.Emit(OpCodes.Ldc_I4, i);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Ret);
        return method.CreateDelegate<Func<int, int>>();
    }
}
