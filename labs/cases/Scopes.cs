using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;

namespace Labs.Cases;

sealed class UnitOfWork : IDisposable
{
    readonly byte[] changes = new byte[1000];

    public int Size => changes.Length;

    public void Dispose() => Array.Clear(changes);
}

/// <summary>A scope a call, kept and not disposed; in the fixed variant each is disposed.</summary>
static class Scopes
{
    static readonly ServiceProvider services = new ServiceCollection().AddScoped<UnitOfWork>().BuildServiceProvider();
    static readonly List<IServiceScope> open = [];

    public static JsonObject Run(bool leaks, int count)
    {
        var sum = 0;
        for (var i = 0; i < count; i++)
        {
            var scope = services.CreateScope();
            sum += scope.ServiceProvider.GetRequiredService<UnitOfWork>().Size;
            if (leaks)
                open.Add(scope);
            else
                scope.Dispose();
        }
        return new() { ["scopes"] = open.Count, ["service"] = typeof(UnitOfWork).FullName, ["holder"] = "Labs.Cases.Scopes.open", ["sum"] = sum };
    }
}

/// <summary>A transient that is disposable, taken from the root container a call; in the fixed variant from a scope.</summary>
static class RootDisposables
{
    static readonly ServiceProvider services = new ServiceCollection().AddTransient<UnitOfWork>().BuildServiceProvider();

    public static JsonObject Run(bool leaks, int count)
    {
        var sum = 0;
        for (var i = 0; i < count; i++)
        {
            using var scope = services.CreateScope();
            sum += (leaks ? services : scope.ServiceProvider).GetRequiredService<UnitOfWork>().Size;
        }
        return new() { ["captured"] = leaks ? count : 0, ["service"] = typeof(UnitOfWork).FullName, ["holder"] = "Labs.Cases.RootDisposables.services", ["sum"] = sum };
    }
}
