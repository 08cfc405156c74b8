using System.Runtime;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Labs.Mix;

/// <summary>Held by nothing but a handle of the kind that it names.</summary>
class HandleTarget(string kind)
{
    public string Kind = kind;
}

class Finalizable(int id)
{
    public static int Finalized;
    public int Id = id;

    ~Finalizable() => Finalized++;
}

/// <summary>All that keeps an object alive, or lets it go: handles of every kind, statics, conditional tables, finalizers.</summary>
static class Roots
{
    public static int Number = 12345;
    public static Guid Value = new("01234567-89ab-cdef-0123-456789abcdef");
    public static Pair<int, string> Struct = new(1, "in a static struct");
    public static readonly List<Finalizable> Finalizables = [];
    public static readonly ConditionalWeakTable<object, HandleTarget> Attached = [];
    private static readonly List<object> attachedTo = [];
    private static readonly List<GCHandle> handles = [];
    private static readonly List<DependentHandle> dependent = [];
    private static readonly HandleTarget weaklyKnown = new("weak");

    public static JsonObject Make()
    {
        for (var i = 0; i < 4; i++)
            handles.Add(GCHandle.Alloc(new HandleTarget("strong"), GCHandleType.Normal));
        for (var i = 0; i < 3; i++)
            handles.Add(GCHandle.Alloc(new byte[100 + i], GCHandleType.Pinned));
        for (var i = 0; i < 5; i++)
            handles.Add(GCHandle.Alloc(weaklyKnown, GCHandleType.Weak));
        for (var i = 0; i < 6; i++)
            handles.Add(GCHandle.Alloc(weaklyKnown, GCHandleType.WeakTrackResurrection));
        AllocateDead();
        for (var i = 0; i < 2; i++)
            dependent.Add(new DependentHandle(weaklyKnown, new HandleTarget("dependent")));

        for (var i = 0; i < 8; i++)
        {
            attachedTo.Add(new object());
            Attached.Add(attachedTo[i], new HandleTarget("attached"));
        }
        for (var i = 0; i < 50; i++)
            Finalizables.Add(new Finalizable(i));
        foreach (var suppressed in Finalizables.Take(10))
            GC.SuppressFinalize(suppressed);

        return new JsonObject
        {
            ["handles_at_least"] = new JsonObject
            {
                ["strong"] = 4, ["pinned"] = 3, ["weak_short"] = 5 + 7, ["weak_long"] = 6, ["dependent"] = 2 + 8,
            },
            ["handle_targets"] = new JsonObject { ["strong"] = 4, ["weak"] = 1, ["dependent"] = 2, ["attached"] = 8 },
            ["cleared_weak_handles"] = 7,
            ["finalizable"] = Finalizables.Count,
            ["finalizable_suppressed"] = 10,
            ["static_int"] = Number,
            ["static_guid"] = Value.ToString(),
        };
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AllocateDead()
    {
        for (var i = 0; i < 7; i++)
            handles.Add(GCHandle.Alloc(new HandleTarget("dead"), GCHandleType.Weak));
    }
}
