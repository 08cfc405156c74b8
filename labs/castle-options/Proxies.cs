using System.Reflection;
using Castle.DynamicProxy;

namespace Labs.CastleOptions;

public interface IWardService
{
    int Admit(string patient);
    int Occupied { get; }
}

public sealed class WardService : IWardService
{
    public int Occupied { get; private set; }

    public int Admit(string patient) => ++Occupied;
}

static class Proxies
{
    public static readonly List<IWardService> Held = [];

    private static readonly ProxyGenerator generator = new();
    private static readonly HashSet<string> typeNames = [];

    public static IWardService Make(IWardService target, string variant)
    {
        var options = new ProxyGenerationOptions(variant == "leak" ? new AuditedMethods() : new ComparableAuditedMethods());
        var proxy = generator.CreateInterfaceProxyWithTarget(target, options, new Audit());
        typeNames.Add(proxy.GetType().FullName!);
        return proxy;
    }

    public static int CountTypes() => typeNames.Count;
}

/// <summary>Audits everything but properties. Has no Equals: two of them are never the same key.</summary>
public class AuditedMethods : IProxyGenerationHook
{
    public bool ShouldInterceptMethod(Type type, MethodInfo method) => !method.IsSpecialName;

    public void NonProxyableMemberNotification(Type type, MemberInfo member) { }

    public void MethodsInspected() { }
}

/// <summary>The same, and all of them equal.</summary>
public sealed class ComparableAuditedMethods : AuditedMethods
{
    public override bool Equals(object? other) => other is ComparableAuditedMethods;

    public override int GetHashCode() => typeof(ComparableAuditedMethods).GetHashCode();
}

sealed class Audit : IInterceptor
{
    public static int Calls { get; private set; }

    public void Intercept(IInvocation invocation)
    {
        Calls++;
        invocation.Proceed();
    }
}
