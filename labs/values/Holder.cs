using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text;

namespace Labs.Values;

enum Ward : byte { None, Surgery = 3, Radiology = 200 }

[Flags]
enum Rights { None = 0, Read = 1, Write = 2, Sign = 8 }

struct Point { public int X; public short Y; }

struct Visit { public DateTime At; public Point Where; public string? Note; }

sealed class Made { public string Name = "made late"; }

sealed class Holder
{
    public static Holder? Kept;

    // Numbers, as C# writes them.
    public bool Yes = true;
    public sbyte Small = -5;
    public byte Octet = 250;
    public short Short = -30000;
    public ushort UShort = 60000;
    public int Int = int.MinValue;
    public uint UInt = uint.MaxValue;
    public long Long = long.MinValue;
    public ulong ULong = ulong.MaxValue;
    public float Single = 0.1f;
    public double Double = 1e300;
    public double NotANumber = double.NaN;
    public double Infinite = double.NegativeInfinity;
    public char Letter = 'ß';
    public char Zero = '\0';
    public nint Native = -1;
    public Half Half = (Half)1.5;
    public Int128 Huge = Int128.MinValue;
    public UInt128 UHuge = UInt128.MaxValue;
    public Ward Ward = Ward.Radiology;
    public Rights Rights = Rights.Read | Rights.Sign;
    public Rights NoRights = (Rights)64;

    // Structs inline.
    public Point Point = new() { X = 7, Y = -7 };
    public Visit Visit = new() { At = new DateTime(2024, 2, 29, 12, 0, 0, DateTimeKind.Utc), Where = new() { X = 1 }, Note = "noted" };
    public DateTime DateTime = new(1999, 12, 31, 23, 59, 59, 999);
    public DateTimeOffset Offset = new(2020, 1, 2, 3, 4, 5, TimeSpan.FromMinutes(-210));
    public DateOnly DateOnly = new(1, 1, 1);
    public TimeOnly TimeOnly = new(23, 0, 1);
    public TimeSpan Span = -new TimeSpan(1, 2, 3, 4, 5);
    public TimeSpan Longest = TimeSpan.MaxValue;
    public Guid Guid = new("00112233-4455-6677-8899-aabbccddeeff");
    public decimal Decimal = -12345678901234567890.12345678m;
    public decimal DecimalMax = decimal.MaxValue;
    public int? Some = 42;
    public int? Nothing = null;
    public DateTime? SomeDate = new DateTime(2000, 1, 1);
    public Guid? NoGuid = null;
    public ImmutableArray<int> Immutable = ImmutableArray.Create(1, 2, 3);
    public ImmutableArray<int> ImmutableDefault = default;
    public Memory<byte> Memory = new byte[10].AsMemory(2, 5);
    public ReadOnlyMemory<char> Text = "in the middle of it".AsMemory(7, 6);
    public ArraySegment<int> Segment = new([1, 2, 3, 4], 1, 2);
    public (int, string) Pair = (5, "five");
    public KeyValuePair<string, int> KeyValue = new("key", 6);
    public Index Index = ^2;
    public Range Range = 1..^1;
    public Rune Rune = new(0x1F600);
    public CancellationToken Token = default;

    // Objects.
    public string String = "plain";
    public string Controls = "nul \0 tab \t end";
    public string Empty = "";
    public string? Null = null;
    public object BoxedInt = 17;
    public object BoxedWard = Ward.Surgery;
    public object BoxedDate = new DateTime(2001, 9, 9, 1, 46, 40, DateTimeKind.Utc);
    public object BoxedNullable = (int?)3;
    public object BoxedGuid = Guid.Empty;
    public object BoxedDecimal = 0.10m;
    public object BoxedPoint = new Point { X = 1, Y = 2 };
    public List<int> List = [1, 2, 3];
    public Dictionary<string, int> Dictionary = new() { ["a"] = 1, ["b"] = 2 };
    public ConcurrentDictionary<int, string> ConcurrentDictionary = new();
    public ConcurrentQueue<int> ConcurrentQueue = new();
    public ConcurrentStack<int> ConcurrentStack = new();
    public ConcurrentBag<int> ConcurrentBag = [];
    public HashSet<string> HashSet = ["x", "y", "z"];
    public Queue<int> Queue = new();
    public Stack<int> Stack = new([1, 2]);
    public LinkedList<int> LinkedList = new([1, 2, 3, 4]);
    public SortedDictionary<int, int> SortedDictionary = new() { [1] = 1 };
    public SortedSet<int> SortedSet = [1, 2, 3];
    public SortedList<int, int> SortedList = new() { [1] = 1, [2] = 2 };
    public PriorityQueue<string, int> PriorityQueue = new();
    public ArrayList ArrayList = [1, "two"];
    public Hashtable Hashtable = new() { [1] = 1 };
    public BitArray BitArray = new(70);
    public ImmutableList<int> ImmutableList = [1, 2, 3, 4];
    public ImmutableDictionary<int, int> ImmutableDictionary = ImmutableDictionary<int, int>.Empty.Add(1, 1);
    public StringBuilder Builder = new("begin");
    public StringBuilder EmptyBuilder = new();
    public Lazy<Made> LazyMade = new(() => new Made());
    public Lazy<int> LazyNumber = new(() => 12);
    public Lazy<Made> LazyNot = new(() => new Made());
    public WeakReference WeakAlive = null!;
    public WeakReference<string> WeakTyped = null!;
    public WeakReference WeakDead = null!;
    public Task Completed = Task.CompletedTask;
    public Task<int> Result = Task.FromResult(99);
    public Task Faulted = Task.FromException(new InvalidOperationException("no such ward"));
    public Task Canceled = Task.FromCanceled(new CancellationToken(true));
    public Task Pending = new TaskCompletionSource().Task;
    public Uri Uri = new("https://example.org/path?query#part");
    public Version Version = new(1, 2, 3);
    public Exception Exception = new ArgumentException("a message");
    public Type Type = typeof(Dictionary<,>);
    public Type Closed = typeof(List<int>);
    public Action Action = Call;
    public Func<string> Bound = null!;
    public int[] Array = [1, 2, 3];
    public int[,] Matrix = new int[2, 3];
    public int[][] Jagged = [[1], [2, 3]];
    public System.Array FromOne = System.Array.CreateInstance(typeof(int), [2, 2], [1, 5]);
    public byte[] NoBytes = [];

    public void Fill()
    {
        for (var i = 0; i < 40; i++)
        {
            ConcurrentDictionary[i] = "v" + i;
            ConcurrentQueue.Enqueue(i);
        }
        ConcurrentQueue.TryDequeue(out _);
        ConcurrentStack.PushRange([1, 2, 3]);
        ConcurrentBag.Add(1);
        Queue.Enqueue(1);
        Queue.Enqueue(2);
        Queue.Dequeue();
        PriorityQueue.Enqueue("first", 1);
        Builder.Append(", and go on");
        _ = LazyMade.Value.Name + LazyNumber.Value;
        WeakAlive = new WeakReference(String);
        WeakTyped = new WeakReference<string>(String);
        WeakDead = Dead();
        Bound = new Made().ToString!;
        Matrix[1, 2] = 6;
    }

    static WeakReference Dead() => new(new object());

    static void Call() { }

    /// <summary>By field: what is shown. Fields of structs follow behind a dot.</summary>
    public IEnumerable<(string Field, string? Text)> Shown =>
    [
        ("Yes", "true"), ("Small", "-5"), ("Octet", "250"), ("Short", "-30000"), ("UShort", "60000"), ("Int", "-2147483648"),
        ("UInt", "4294967295"), ("Long", "-9223372036854775808"), ("ULong", "18446744073709551615"), ("Single", "0.1"),
        ("Double", "1e+300"), ("NotANumber", "nan"), ("Infinite", "-inf"), ("Letter", "'ß'"), ("Zero", "'\\u0000'"),
        ("Half", "1.5"), ("Huge", "-170141183460469231731687303715884105728"), ("UHuge", "340282366920938463463374607431768211455"),
        ("Ward", "Radiology"), ("Rights", "Read | Sign"), ("NoRights", "64"),
        ("Point.X", "7"), ("Point.Y", "-7"), ("Visit.At", "2024-02-29 12:00:00 UTC"), ("Visit.Where.X", "1"), ("Visit.Note", "\"noted\""),
        ("DateTime", "1999-12-31 23:59:59.9990000"), ("Offset", "2020-01-02 03:04:05 -03:30"), ("DateOnly", "0001-01-01"),
        ("TimeOnly", "23:00:01"), ("Span", "-1.02:03:04.0050000"), ("Longest", "10675199.02:48:05.4775807"),
        ("Guid", "00112233-4455-6677-8899-aabbccddeeff"), ("Decimal", "-12345678901234567890.12345678"),
        ("DecimalMax", "79228162514264337593543950335"),
        ("Some", "42"), ("Nothing", "null"), ("SomeDate", "2000-01-01 00:00:00"), ("NoGuid", "null"),
        ("Immutable", "3 elements"), ("ImmutableDefault", "default"), ("Memory", "5 elements from 2"), ("Text", "\"middle\""),
        ("Segment", "2 elements from 1"), ("Pair.Item1", "5"), ("Pair.Item2", "\"five\""), ("KeyValue.key", "\"key\""), ("KeyValue.value", "6"),
        ("Index", "^2"), ("Rune", "U+1F600"),
        ("String", "\"plain\""), ("Controls", "\"nul \0 tab \t end\""), ("Empty", "\"\""), ("Null", "null"),
        ("BoxedInt", "17"), ("BoxedWard", "Surgery"), ("BoxedDate", "2001-09-09 01:46:40 UTC"), ("BoxedNullable", "3"),
        ("BoxedGuid", "00000000-0000-0000-0000-000000000000"), ("BoxedDecimal", "0.10"),
        ("List", "3 elements"), ("Dictionary", "2 elements"), ("ConcurrentDictionary", "40 elements"), ("ConcurrentQueue", "39 elements"),
        ("HashSet", "3 elements"), ("Queue", "1 elements"), ("Stack", "2 elements"), ("LinkedList", "4 elements"),
        ("SortedDictionary", "1 elements"), ("SortedSet", "3 elements"), ("SortedList", "2 elements"), ("PriorityQueue", "1 elements"),
        ("ArrayList", "2 elements"), ("Hashtable", "1 elements"), ("ImmutableList", "4 elements"), ("ImmutableDictionary", "1 elements"),
        ("Builder", "\"begin, and go on\""), ("EmptyBuilder", "\"\""), ("LazyNumber", "12"), ("LazyNot", "not created"),
        ("WeakAlive", "\"plain\""), ("WeakTyped", "\"plain\""), ("WeakDead", "collected"),
        ("Completed", "ran to completion"), ("Result", "ran to completion: 99"), ("Faulted", "faulted"), ("Canceled", "canceled"),
        ("Pending", "waits for activation"), ("Uri", "\"https://example.org/path?query#part\""), ("Version", "1.2.3"), ("Exception", "\"a message\""),
        ("Closed", "System.Collections.Generic.List<System.Int32>"), ("Action", "Labs.Values.Holder.Call()"),
        ("Array", "3 elements"), ("Matrix", "6 elements, 2 x 3"), ("Jagged", "2 elements"), ("FromOne", "4 elements, 1..2 x 5..6"), ("NoBytes", "0 elements"),
    ];
}
