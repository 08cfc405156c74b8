using His.Aop;
using His.Data;
using His.Domain;
using Microsoft.Data.Sqlite;

namespace His.Services;

public interface IEquipmentService
{
    IReadOnlyList<Equipment> List();

    [Requires(Permission.EquipmentWrite)]
    [Transactional]
    Equipment Take(string tag, string room);

    [Requires(Permission.EquipmentWrite)]
    [Transactional]
    Equipment Return(string tag);
}

public sealed class EquipmentService(Database database) : IEquipmentService
{
    public IReadOnlyList<Equipment> List() => database.Query("SELECT tag, name, room, state FROM equipment ORDER BY tag", Read);

    public Equipment Take(string tag, string room) =>
        Change("UPDATE equipment SET state = 1, room = $room WHERE tag = $tag AND state = 0 RETURNING tag, name, room, state", tag, room)
        ?? throw new RuleViolation($"'{tag}' is not free");

    public Equipment Return(string tag) =>
        Change("UPDATE equipment SET state = 0 WHERE tag = $tag AND state = 1 RETURNING tag, name, room, state", tag, null)
        ?? throw new RuleViolation($"'{tag}' is not in use");

    private Equipment? Change(string sql, string tag, string? room) => database.QueryOne(sql, Read, ("$tag", tag), ("$room", room));

    private static Equipment Read(SqliteDataReader row) => new(row.GetString(0), row.GetString(1), row.GetString(2), (EquipmentState)row.GetInt32(3));
}
