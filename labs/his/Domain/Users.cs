namespace His.Domain;

public enum Permission { PatientsRead, PatientsWrite, ScheduleWrite, Prescribe, Dispense, EquipmentWrite, Bill, Interface, Administer }

public sealed record Role(string Name, IReadOnlySet<Permission> Permissions)
{
    public static readonly IReadOnlyDictionary<string, Role> All = new Role[]
    {
        new("reception", new HashSet<Permission> { Permission.PatientsRead, Permission.PatientsWrite, Permission.ScheduleWrite, Permission.Bill }),
        new("doctor", new HashSet<Permission> { Permission.PatientsRead, Permission.PatientsWrite, Permission.ScheduleWrite, Permission.Prescribe }),
        new("nurse", new HashSet<Permission> { Permission.PatientsRead, Permission.Dispense, Permission.EquipmentWrite }),
        new("interface", new HashSet<Permission> { Permission.PatientsRead, Permission.PatientsWrite, Permission.Interface }),
        new("administrator", Enum.GetValues<Permission>().ToHashSet()),
    }.ToDictionary(role => role.Name);
}

public sealed record User(string Name, Role Role)
{
    public bool May(Permission permission) => Role.Permissions.Contains(permission);
}

/// <summary>What a caller asked for makes no sense; its message is meant for them.</summary>
public sealed class RuleViolation(string message) : Exception(message);

/// <summary>What a caller named does not exist.</summary>
public sealed class NotFound(string what, object id) : Exception($"no {what} '{id}'");

public sealed class Forbidden(string message) : Exception(message);
