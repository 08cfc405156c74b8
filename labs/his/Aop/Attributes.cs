using His.Domain;

namespace His.Aop;

/// <summary>On a service's method: its statements succeed or fail together.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TransactionalAttribute : Attribute;

/// <summary>On a service's method: the caller needs this permission.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RequiresAttribute(Permission permission) : Attribute
{
    public Permission Permission => permission;
}
