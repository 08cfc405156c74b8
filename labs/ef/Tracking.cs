using Microsoft.EntityFrameworkCore;

namespace Labs.Ef;

/// <summary>One context for all calls, which tracks every patient that it ever saw; in the fixed variant it forgets them after each call.</summary>
static class Tracking
{
    const int PatientsOfACall = 300;
    static readonly WardContext session = new(new DbContextOptionsBuilder<WardContext>().UseSqlite(Database.ConnectionString).Options);

    public static int Call(int call, bool leaks)
    {
        for (var i = 1; i <= PatientsOfACall; i++)
            session.Attach(new Patient { Id = call * PatientsOfACall + i, Name = $"patient {i}", Ward = call % 3 });
        if (!leaks)
            session.ChangeTracker.Clear();
        return 1;
    }

    public static int Tracked => session.ChangeTracker.Entries().Count();
}
