using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Labs.Mix;

/// <summary>One of each well-known collection, with a known number of elements, some of them removed again.</summary>
static class Collections
{
    public static readonly Dictionary<string, Dose> Dictionary = [];
    public static readonly Dictionary<int, long> DictionaryOfValues = [];
    public static readonly List<Dose> List = [];
    public static readonly HashSet<string> HashSet = [];
    public static readonly Queue<Dose> Queue = new();
    public static readonly Stack<int> Stack = new();
    public static readonly LinkedList<string> LinkedList = new();
    public static readonly SortedDictionary<int, string> SortedDictionary = [];
    public static readonly SortedList<int, string> SortedList = [];
    public static readonly PriorityQueue<string, int> PriorityQueue = new();
    public static readonly ConcurrentDictionary<string, Dose> ConcurrentDictionary = new();
    public static readonly ConcurrentQueue<Dose> ConcurrentQueue = new();
    public static readonly ConcurrentBag<int> ConcurrentBag = [];
    public static readonly Channel<Dose> Channel = System.Threading.Channels.Channel.CreateUnbounded<Dose>();
    public static ImmutableDictionary<string, int> ImmutableDictionary = ImmutableDictionary<string, int>.Empty;
    public static event EventHandler? Changed;

    public static JsonObject Make()
    {
        for (var i = 0; i < 100; i++)
        {
            var dose = new Dose($"drug {i}", i);
            Dictionary.Add(dose.Drug, dose);
            DictionaryOfValues.Add(i, i * 1000L);
            List.Add(dose);
            HashSet.Add(dose.Drug);
            Queue.Enqueue(dose);
            Stack.Push(i);
            LinkedList.AddLast(dose.Drug);
            SortedDictionary.Add(i, dose.Drug);
            SortedList.Add(i, dose.Drug);
            PriorityQueue.Enqueue(dose.Drug, -i);
            ConcurrentDictionary.TryAdd(dose.Drug, dose);
            ConcurrentQueue.Enqueue(dose);
            ConcurrentBag.Add(i);
            Channel.Writer.TryWrite(dose);
            ImmutableDictionary = ImmutableDictionary.Add(dose.Drug, i);
        }
        for (var i = 0; i < 10; i++)
        {
            Dictionary.Remove($"drug {i}");
            HashSet.Remove($"drug {i}");
            List.RemoveAt(0);
            Queue.Dequeue();
            ConcurrentDictionary.TryRemove($"drug {i}", out _);
            ConcurrentQueue.TryDequeue(out _);
        }
        for (var i = 0; i < 3; i++)
            Changed += (_, _) => List.Clear();

        return new JsonObject
        {
            ["class"] = typeof(Collections).FullName,
            ["counts"] = new JsonObject
            {
                ["Dictionary"] = Dictionary.Count, ["DictionaryOfValues"] = DictionaryOfValues.Count, ["List"] = List.Count,
                ["HashSet"] = HashSet.Count, ["Queue"] = Queue.Count, ["Stack"] = Stack.Count, ["LinkedList"] = LinkedList.Count,
                ["SortedDictionary"] = SortedDictionary.Count, ["SortedList"] = SortedList.Count, ["PriorityQueue"] = PriorityQueue.Count,
                ["ConcurrentDictionary"] = ConcurrentDictionary.Count, ["ConcurrentQueue"] = ConcurrentQueue.Count,
                ["ConcurrentBag"] = ConcurrentBag.Count, ["Channel"] = Channel.Reader.Count, ["ImmutableDictionary"] = ImmutableDictionary.Count,
            },
            ["event_handlers"] = Changed!.GetInvocationList().Length,
        };
    }
}
