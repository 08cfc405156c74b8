// The peer of the benchmarks: what SOS's commands do, on ClrMD with the reader and options that dotnet-dump uses. One process, one command:
//
//     peer DUMP modules | eeheap-gc | eeheap-loader | stat | references | gchandles | live | dominators
//     peer DUMP gcroot | objsize OBJECT
//
// dotnet-dump itself loads SOS, a console and a symbol server's client on top, so it can only be slower.

using Microsoft.Diagnostics.Runtime;

ulong asked = args.Length == 3 ? Convert.ToUInt64(args[2], 16) : 0;
var commands = new Dictionary<string, Action<ClrRuntime, TextWriter>>
{
    ["modules"] = Modules,
    ["eeheap-gc"] = GcHeaps,
    ["eeheap-loader"] = LoaderHeaps,
    ["stat"] = Statistics,
    ["references"] = References,
    ["gchandles"] = Handles,
    ["live"] = Live,
    ["gcroot"] = (runtime, output) => Root(runtime, output, asked),
    ["objsize"] = (runtime, output) => Size(runtime, output, asked),
    ["dominators"] = (runtime, output) => Dominators.Print(runtime, output),
};
if (args.Length < 2 || args.Length > 3 || !commands.TryGetValue(args[1], out var command))
{
    Console.Error.WriteLine($"usage: peer DUMP {string.Join(" | ", commands.Keys)}");
    return 1;
}
using var output = new StreamWriter(Console.OpenStandardOutput(), bufferSize: 1 << 16);
command(Dump.Open(args[0]), output);
return 0;

static void Modules(ClrRuntime runtime, TextWriter output)
{
    foreach (var module in runtime.EnumerateModules())
        output.WriteLine($"{module.Address:x16} {module.ImageBase:x16} {module.Size,12} {(module.IsDynamic ? "dynamic" : module.Name)}");
}

static void GcHeaps(ClrRuntime runtime, TextWriter output)
{
    foreach (var segment in runtime.Heap.Segments)
        output.WriteLine($"{segment.SubHeap.Index,3} {segment.Kind,-12} {segment.Start:x16} {segment.End:x16} {segment.Length,14} {segment.CommittedMemory.Length,14}");
}

static void LoaderHeaps(ClrRuntime runtime, TextWriter output)
{
    foreach (var block in runtime.EnumerateClrNativeHeaps().DistinctBy(block => block.MemoryRange.Start))
        output.WriteLine($"{block.MemoryRange.Start:x16} {block.MemoryRange.Length,12} {block.Kind}");
}

static void Statistics(ClrRuntime runtime, TextWriter output)
{
    var types = new Dictionary<ClrType, (long Count, ulong Size)>();
    foreach (var o in runtime.Heap.EnumerateObjects())
    {
        if (o.Type is null)
            continue;
        var (count, size) = types.GetValueOrDefault(o.Type);
        types[o.Type] = (count + 1, size + o.Size);
    }
    foreach (var (type, (count, size)) in types.OrderBy(t => t.Value.Size))
        output.WriteLine($"{type.MethodTable:x16} {count,12} {size,16} {type.Name}");
}

static void References(ClrRuntime runtime, TextWriter output)
{
    long count = 0;
    foreach (var o in runtime.Heap.EnumerateObjects())
        foreach (var _ in o.EnumerateReferenceAddresses(carefully: false, considerDependantHandles: false))
            count++;
    output.WriteLine(count);
}

static void Handles(ClrRuntime runtime, TextWriter output)
{
    foreach (var handle in runtime.EnumerateHandles())
        output.WriteLine($"{handle.Address:x16} {handle.HandleKind,-12} {handle.Object.Address:x16} {handle.Object.Size,10} {handle.Object.Type?.Name}");
}

// dumpheap -stat -live: SOS marks with a set of addresses and a queue, too.
static void Live(ClrRuntime runtime, TextWriter output)
{
    var live = Reach(runtime.Heap, runtime.Heap.EnumerateRoots().Select(root => root.Object.Address));
    var types = new Dictionary<ClrType, (long Count, ulong Size)>();
    foreach (var o in runtime.Heap.EnumerateObjects())
    {
        if (o.Type is null || !live.Contains(o.Address))
            continue;
        var (count, size) = types.GetValueOrDefault(o.Type);
        types[o.Type] = (count + 1, size + o.Size);
    }
    foreach (var (type, (count, size)) in types.OrderBy(t => t.Value.Size))
        output.WriteLine($"{type.MethodTable:x16} {count,12} {size,16} {type.Name}");
}

static HashSet<ulong> Reach(ClrHeap heap, IEnumerable<ulong> from)
{
    var reached = new HashSet<ulong>();
    var todo = new Queue<ulong>();
    foreach (var addr in from)
        if (addr != 0 && reached.Add(addr))
            todo.Enqueue(addr);
    while (todo.TryDequeue(out var addr))
        foreach (var to in heap.GetObject(addr).EnumerateReferenceAddresses(carefully: false, considerDependantHandles: true))
            if (reached.Add(to))
                todo.Enqueue(to);
    return reached;
}

static void Root(ClrRuntime runtime, TextWriter output, ulong target)
{
    foreach (var (root, path) in new GCRoot(runtime.Heap, [target]).EnumerateRootPaths().Take(1))
    {
        output.WriteLine(root);
        for (var link = path; link is not null; link = link.Next)
            output.WriteLine($"{link.Object:x16} {runtime.Heap.GetObjectType(link.Object)?.Name}");
    }
}

static void Size(ClrRuntime runtime, TextWriter output, ulong target)
{
    ulong size = 0;
    var reached = Reach(runtime.Heap, [target]);
    foreach (var addr in reached)
        size += runtime.Heap.GetObject(addr).Size;
    output.WriteLine($"{reached.Count} {size}");
}
