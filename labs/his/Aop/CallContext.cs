using His.Domain;

namespace His.Aop;

/// <summary>On whose behalf the current request runs, and from which workstation if it is one of the hospital's.</summary>
public sealed record CallContext(User User, string? Workstation)
{
    private static readonly AsyncLocal<CallContext?> current = new();

    public static CallContext? Current
    {
        get => current.Value;
        set => current.Value = value;
    }
}
