using System.Collections.Concurrent;
using System.Security.Cryptography;
using His.Aop;
using His.Data;
using His.Domain;

namespace His.Services;

public interface IUserService
{
    /// <summary>A token for the session of this user; null if name or password are wrong.</summary>
    string? Login(string name, string password);

    [Requires(Permission.Administer)]
    [Transactional]
    void Create(string name, string password, string role);
}

public sealed class UserService(Database database, Sessions sessions) : IUserService
{
    private const int iterations = 20_000;

    public string? Login(string name, string password)
    {
        var account = database.QueryOne("SELECT role, salt, hash FROM user WHERE name = $name",
            row => Tuple.Create(row.GetString(0), row.GetFieldValue<byte[]>(1), row.GetFieldValue<byte[]>(2)), ("$name", name));
        if (account is null || !CryptographicOperations.FixedTimeEquals(Hash(password, account.Item2), account.Item3))
            return null;
        return sessions.Begin(new User(name, Role.All[account.Item1]));
    }

    public void Create(string name, string password, string role)
    {
        if (!Role.All.ContainsKey(role))
            throw new RuleViolation($"no role '{role}'");
        var salt = RandomNumberGenerator.GetBytes(16);
        database.Execute("INSERT OR REPLACE INTO user VALUES ($name, $role, $salt, $hash)",
            ("$name", name), ("$role", role), ("$salt", salt), ("$hash", Hash(password, salt)));
    }

    private static byte[] Hash(string password, byte[] salt) => Rfc2898DeriveBytes.Pbkdf2(password, salt, iterations, HashAlgorithmName.SHA256, 32);
}

/// <summary>Who is logged in. A session ends eight hours after it began.</summary>
public sealed class Sessions(TimeProvider clock)
{
    private static readonly TimeSpan lifetime = TimeSpan.FromHours(8);
    private readonly ConcurrentDictionary<string, (User User, DateTimeOffset Ends)> open = new();

    public string Begin(User user)
    {
        foreach (var (old, session) in open)
            if (session.Ends < clock.GetUtcNow())
                open.TryRemove(old, out _);
        var token = Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
        open[token] = (user, clock.GetUtcNow() + lifetime);
        return token;
    }

    public User? Find(string token) =>
        open.TryGetValue(token, out var session) && session.Ends > clock.GetUtcNow() ? session.User : null;
}
