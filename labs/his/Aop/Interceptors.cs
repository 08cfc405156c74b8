using System.Collections.Concurrent;
using System.Diagnostics;
using System.Reflection;
using Castle.DynamicProxy;
using His.Data;
using His.Domain;

namespace His.Aop;

/// <summary>Logs every call of a service with its duration, and failures with their cause.</summary>
public sealed class LoggingInterceptor(ILogger<LoggingInterceptor> logger) : IInterceptor
{
    public void Intercept(IInvocation invocation)
    {
        var started = Stopwatch.GetTimestamp();
        try
        {
            invocation.Proceed();
            logger.LogDebug("{Service}.{Method} took {Elapsed}", invocation.Method.DeclaringType?.Name, invocation.Method.Name, Stopwatch.GetElapsedTime(started));
        }
        catch (Exception e) when (e is not (RuleViolation or NotFound or Forbidden))
        {
            logger.LogError(e, "{Service}.{Method} failed", invocation.Method.DeclaringType?.Name, invocation.Method.Name);
            throw;
        }
    }
}

/// <summary>Enforces <see cref="RequiresAttribute"/>.</summary>
public sealed class PermissionInterceptor : IInterceptor
{
    private readonly ConcurrentDictionary<MethodInfo, Permission?> required = new();

    public void Intercept(IInvocation invocation)
    {
        var permission = required.GetOrAdd(invocation.Method, method => method.GetCustomAttribute<RequiresAttribute>()?.Permission);
        if (permission is { } needed && CallContext.Current?.User.May(needed) != true)
            throw new Forbidden($"'{invocation.Method.Name}' needs the permission {needed}");
        invocation.Proceed();
    }
}

/// <summary>Runs methods that are <see cref="TransactionalAttribute"/> in a transaction.</summary>
public sealed class TransactionInterceptor(Database database) : IInterceptor
{
    private readonly ConcurrentDictionary<MethodInfo, bool> transactional = new();

    public void Intercept(IInvocation invocation)
    {
        if (transactional.GetOrAdd(invocation.Method, method => method.IsDefined(typeof(TransactionalAttribute))))
            database.InTransaction(invocation.Proceed);
        else
            invocation.Proceed();
    }
}
