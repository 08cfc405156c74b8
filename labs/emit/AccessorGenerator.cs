using System.Reflection;
using System.Reflection.Emit;

namespace Labs.Emit;

public abstract class Getter<TObject, TValue>
{
    public abstract TValue Get(TObject instance);
}

/// <summary>Emits a subclass of <see cref="Getter{TObject, TValue}"/> that calls one property's get accessor.</summary>
static class AccessorGenerator
{
    public static readonly Dictionary<(Type, string), object> Cache = [];

    public static int Made { get; private set; }

    public static Getter<TObject, TValue> Getter<TObject, TValue>(string property, string variant)
    {
        if (variant == "leak")
            return Emit<TObject, TValue>(property);
        if (!Cache.TryGetValue((typeof(TObject), property), out var getter))
            Cache.Add((typeof(TObject), property), getter = Emit<TObject, TValue>(property));
        return (Getter<TObject, TValue>)getter;
    }

    private static Getter<TObject, TValue> Emit<TObject, TValue>(string property)
    {
        Made++;
        var parent = typeof(Getter<TObject, TValue>);
        var assembly = AssemblyBuilder.DefineDynamicAssembly(new AssemblyName("Labs.Emit.Accessors"), AssemblyBuilderAccess.Run);
        var type = assembly.DefineDynamicModule("Accessors.dll")
            .DefineType($"Accessors.{typeof(TObject).Name}_{property}", TypeAttributes.Public | TypeAttributes.Sealed, parent);
        var overridden = parent.GetMethod("Get")!;
        var get = type.DefineMethod("Get", MethodAttributes.Public | MethodAttributes.Virtual | MethodAttributes.HideBySig, typeof(TValue), [typeof(TObject)]);
        var il = get.GetILGenerator();
        il.Emit(OpCodes.Ldarg_1);
        il.Emit(OpCodes.Callvirt, typeof(TObject).GetProperty(property)!.GetMethod!);
        il.Emit(OpCodes.Ret);
        type.DefineMethodOverride(get, overridden);
        return (Getter<TObject, TValue>)Activator.CreateInstance(type.CreateType())!;
    }
}
