using His.Aop;
using His.Data;
using His.Domain;

namespace His.Services;

public interface IReportService
{
    [Requires(Permission.PatientsRead)]
    [Transactional]
    DailyReport Day(DateOnly day);
}

public sealed class ReportService(Database database) : IReportService
{
    public DailyReport Day(DateOnly day)
    {
        var date = day.ToString("O");
        return new DailyReport(day,
            Count("SELECT count(*) FROM visit WHERE date(opened) = $day", date),
            Count("SELECT count(*) FROM ticket WHERE day = $day AND state = 0", date),
            Count("SELECT count(*) FROM prescription WHERE date(at) = $day", date),
            Math.Round((decimal)database.Scalar<double>("SELECT coalesce(sum(amount), 0) FROM charge WHERE date(at) = $day", ("$day", date)), 2));
    }

    private int Count(string sql, string date) => database.Scalar<int>(sql, ("$day", date));
}
