using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace Labs.Mix;

/// <summary>Every kind of array: vectors, ranks, lower bounds, jagged, of pointers, large, pinned.</summary>
static unsafe class Arrays
{
    public enum Ward : byte { Surgery, Cardiology, Paediatrics }

    [InlineArray(8)]
    public struct Vitals
    {
        private double first;
    }

    public struct Sample
    {
        public int Id;
        public string Name;
        public double Value;
    }

    public static int[] Vector = [1, 2, 3, 4, 5];
    public static object[] Empty = [];
    public static string?[] Sparse = new string?[1000];
    public static Array OneBased = Array.CreateInstance(typeof(int), [3], [1]);
    public static Array OneBasedStrings = Array.CreateInstance(typeof(string), [4], [-2]);
    public static double[,] Matrix = new double[3, 4];
    public static string[,,] Cube = new string[2, 3, 4];
    public static Array Shifted = Array.CreateInstance(typeof(long), [2, 2], [10, 20]);
    public static int[][][] Jagged = [[[1], [2, 3]], [[4, 5, 6]]];
    public static byte[,][] Tiles = new byte[2, 2][];
    public static int*[] Pointers = new int*[7];
    public static void*[] VoidPointers = new void*[6];
    public static delegate*<int, int>[] Functions = new delegate*<int, int>[2];
    public static Ward[] Enums = [Ward.Surgery, Ward.Paediatrics];
    public static Sample[] Structs = new Sample[10];
    public static Vitals[] Inline = new Vitals[5];
    public static decimal?[] Nullables = [1.5m, null, 2.5m];
    public static object[] Covariant = new string[] { "covariant" };
    public static byte[] Large = new byte[200_000];
    public static byte[][] LargeMany = [.. Enumerable.Range(0, 5).Select(i => new byte[100_000 + i])];
    public static double[] LargeDoubles = new double[50_000];
    public static byte[] Pinned = GC.AllocateArray<byte>(5000, pinned: true);
    public static long[] PinnedLarge = GC.AllocateUninitializedArray<long>(20_000, pinned: true);

    public static JsonObject Make()
    {
        Functions[0] = &Twice;
        Cube[1, 2, 3] = "corner";
        OneBasedStrings.SetValue("first", -2);
        for (var i = 0; i < Structs.Length; i++)
            Structs[i] = new Sample { Id = i, Name = $"sample {i}", Value = i / 2.0 };

        return new JsonObject
        {
            ["class"] = typeof(Arrays).FullName,
            ["fields"] = new JsonObject(from field in typeof(Arrays).GetFields()
                                        let array = (Array)field.GetValue(null)!
                                        select KeyValuePair.Create(field.Name, (JsonNode?)Describe(array))),
            ["large_objects_at_least"] = 1 + LargeMany.Length + 1,
            ["pinned_heap_objects_at_least"] = 2,
        };
    }

    private static JsonObject Describe(Array array) => new()
    {
        ["type"] = array.GetType().ToString(),
        ["lengths"] = new JsonArray([.. Enumerable.Range(0, array.Rank).Select(d => (JsonNode?)array.GetLength(d))]),
        ["lower_bounds"] = new JsonArray([.. Enumerable.Range(0, array.Rank).Select(d => (JsonNode?)array.GetLowerBound(d))]),
    };

    private static int Twice(int x) => 2 * x;
}
