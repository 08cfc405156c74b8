namespace Labs.Differ;

static class Cache
{
    public static readonly Dictionary<Key, string> Answers = [];
}

/// <summary>Compared by reference, and so is Options: nobody wrote Equals.</summary>
sealed class Options
{
    public int Timeout = 30;
    public string Region = "north";
    public List<int> Ports = [80, 443];
}

abstract class Origin;

sealed class FromWeb : Origin
{
    public string Url = "/patients";
}

sealed class FromQueue : Origin
{
    public int Partition = 7;
}

sealed class Node(Key owner)
{
    public Key Owner = owner;
}

/// <summary>Fifty fields, most of them the same in all.</summary>
sealed class Key
{
    static readonly object shared = new();
    static readonly FromWeb web = new();
    static readonly FromQueue queue = new();

    public string Tenant;
    public object Shared = shared;
    public int Ward;
    public string Name;
    public long Sequence;
    public DateTime Made;
    public Guid Id;
    public Options Options = new();
    public string[] Tags;
    public Dictionary<string, int> Settings;
    public Origin Origin;
    public Node Back;
    public int Flag0 = 0, Flag1 = 1, Flag2 = 2, Flag3 = 3, Flag4 = 4, Flag5 = 5, Flag6 = 6, Flag7 = 7, Flag8 = 8, Flag9 = 9;
    public int Flag10 = 10, Flag11 = 11, Flag12 = 12, Flag13 = 13, Flag14 = 14, Flag15 = 15, Flag16 = 16, Flag17 = 17, Flag18 = 18, Flag19 = 19;
    public int Flag20 = 20, Flag21 = 21, Flag22 = 22, Flag23 = 23, Flag24 = 24, Flag25 = 25, Flag26 = 26, Flag27 = 27, Flag28 = 28, Flag29 = 29;
    public int Flag30 = 30, Flag31 = 31, Flag32 = 32, Flag33 = 33, Flag34 = 34, Flag35 = 35, Flag36 = 36, Flag37 = 37;

    public Key(int number)
    {
        Tenant = new string("st-elsewhere");
        Ward = number % 7;
        Name = $"key {number}";
        Sequence = 1000 + number;
        Made = new DateTime(2026, 1, 1).AddSeconds(number);
        Id = new Guid(unchecked(number * -1640531527), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
        Tags = ["fixed", $"tag {number}"];
        Settings = new() { ["retries"] = 3, ["region"] = number % 3 };
        Origin = number % 2 == 0 ? web : queue;
        Back = new Node(this);
    }
}
