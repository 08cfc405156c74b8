using System.Text.Json.Nodes;

namespace Labs.Mix;

class Outer<T>
{
    public T? Value;
    public static int Made;

    public class Inner<U>
    {
        public (T?, U?) Both;

        public struct Deep<V>
        {
            public V? Bottom;
        }
    }
}

struct Pair<TFirst, TSecond>(TFirst first, TSecond second)
{
    public TFirst First = first;
    public TSecond Second = second;
}

record Dose(string Drug, decimal Milligrams);

interface IShape<TSelf> where TSelf : IShape<TSelf>
{
    static abstract TSelf Unit { get; }
    double Area => 1;
}

readonly record struct Square(double Side) : IShape<Square>
{
    public static Square Unit => new(1);
}

/// <summary>Instantiations over classes (shared code) and structs (code of their own), nested, boxed; generic methods, lambdas, a pending task.</summary>
static class Generics
{
    public static object[] Kept = [];
    public static Func<int, int> Closure = null!;
    public static Action? Multicast;
    public static Task Pending = null!;
    private static readonly TaskCompletionSource<Dose> never = new();

    public static JsonObject Make()
    {
        var captured = Environment.TickCount > 0 ? 42 : 43;
        Closure = x => x + captured;
        for (var i = 0; i < 5; i++)
            Multicast += () => Outer<string>.Made++;
        Multicast!();
        Pending = Wait(never.Task);

        Kept =
        [
            new Outer<string> { Value = "shared" },
            new Outer<object>(),
            new Outer<int> { Value = 7 },
            new Outer<Dose>.Inner<int> { Both = (new("ASA", 100), 1) },
            new Outer<int>.Inner<string>(),
            new Outer<Pair<int, string>>.Inner<List<Dictionary<string, int[]>>>(),
            new Outer<string>.Inner<int>.Deep<Dose> { Bottom = new("IBU", 400) },
            new Pair<int, string>(1, "boxed"),
            new Pair<Pair<byte, long>, Dose?>(new(1, 2), null),
            new Pair<int, string>[3],
            new Outer<string>[2],
            Square.Unit,
            Area(Square.Unit),
            (Func<Dose, Dose>)Same,
            (Func<int, int>)Same,
            (IEnumerable<int>)Enumerable.Range(0, 10).Where(i => i % 2 == 0).Select(i => i * i),
            Lazily(3),
        ];
        return new JsonObject
        {
            ["holder"] = "Labs.Mix.Generics.Kept",
            ["types"] = new JsonArray([.. Kept.Select(o => (JsonNode?)o.GetType().ToString())]),
            ["multicast_targets"] = Multicast.GetInvocationList().Length,
            ["pending_tasks"] = 1,
        };
    }

    private static T Same<T>(T value) => value;

    private static double Area<T>(T shape) where T : IShape<T> => shape.Area;

    private static async Task Wait(Task<Dose> task) => Console.WriteLine(await task);

    private static IEnumerable<Outer<int>> Lazily(int count)
    {
        for (var i = 0; i < count; i++)
            yield return new Outer<int> { Value = i };
    }
}
