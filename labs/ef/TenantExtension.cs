using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;

namespace Labs.Ef;

/// <summary>An options extension whose hash is its identity: no two are ever the same to EF Core, however alike they are.</summary>
sealed class TenantExtension(string tenant) : IDbContextOptionsExtension
{
    ExtensionInfo? info;

    public string Tenant { get; } = tenant;

    public DbContextOptionsExtensionInfo Info => info ??= new ExtensionInfo(this);

    public void ApplyServices(IServiceCollection services)
    {
    }

    public void Validate(IDbContextOptions options)
    {
    }

    sealed class ExtensionInfo(TenantExtension extension) : DbContextOptionsExtensionInfo(extension)
    {
        public override bool IsDatabaseProvider => false;

        public override string LogFragment => "tenant ";

        public override int GetServiceProviderHashCode() => Extension.GetHashCode();

        public override bool ShouldUseSameServiceProvider(DbContextOptionsExtensionInfo other) => Extension == other.Extension;

        public override void PopulateDebugInfo(IDictionary<string, string> debugInfo) =>
            debugInfo["Tenant"] = Extension.GetHashCode().ToString();
    }
}
