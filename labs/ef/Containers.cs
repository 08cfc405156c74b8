using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Labs.Ef;

delegate void Configure(IServiceProvider services, DbContextOptionsBuilder options);

/// <summary>Containers with a WardContext in them: a new one a call, or one for each way to configure it.</summary>
sealed class Containers
{
    readonly Dictionary<Configure, ServiceProvider> shared = [];

    public int Made { get; private set; }

    public WardQuery Make(Configure configure)
    {
        Made++;
        return new(Build(configure), disposesContainer: true);
    }

    public WardQuery Shared(Configure configure)
    {
        if (!shared.TryGetValue(configure, out var container))
        {
            Made++;
            shared[configure] = container = Build(configure);
        }
        return new(container, disposesContainer: false);
    }

    static ServiceProvider Build(Configure configure) =>
        new ServiceCollection()
            .AddMemoryCache()
            .AddLogging()
            .AddDbContext<WardContext>((services, options) => configure(services, options))
            .BuildServiceProvider();
}

/// <summary>What a request does: a scope, a context, a query.</summary>
sealed class WardQuery(ServiceProvider container, bool disposesContainer)
{
    public int PatientsOfWard(int ward)
    {
        int found;
        using (var scope = container.CreateScope())
            found = scope.ServiceProvider.GetRequiredService<WardContext>().Patients.Count(p => p.Ward == ward);
        if (disposesContainer)
            container.Dispose();
        return found;
    }
}

/// <summary>Ways to configure a WardContext; fields, so that each is one delegate.</summary>
static class Options
{
    /// <summary>The twentieth internal provider is an exception by default; teams that meet it silence it, and so it leaks on.</summary>
    public static readonly Configure Plain = (_, options) =>
        options.UseSqlite(Database.ConnectionString)
            .ConfigureWarnings(warnings => warnings.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));

    public static readonly Configure WithServicesOfTheContainer = (services, options) =>
    {
        Plain(services, options);
        options.UseMemoryCache(services.GetRequiredService<IMemoryCache>())
            .UseLoggerFactory(services.GetRequiredService<ILoggerFactory>());
    };

    public static readonly Configure WithTenant = (services, options) =>
    {
        Plain(services, options);
        ((IDbContextOptionsBuilderInfrastructure)options).AddOrUpdateExtension(new TenantExtension("st-elsewhere"));
    };

    static readonly Configure[] kinds =
    [
        Plain,
        (services, options) => { Plain(services, options); options.EnableDetailedErrors(); },
        (services, options) => { Plain(services, options); options.EnableSensitiveDataLogging(); },
    ];

    public static Configure ByKind(int kind) => kinds[kind];
}
