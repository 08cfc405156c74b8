// The peer of the benchmarks: what SOS's commands do, on ClrMD with the reader and options that dotnet-dump uses. One process, one command:
//
//     peer DUMP modules | eeheap-gc | eeheap-loader | stat | references | gchandles
//
// dotnet-dump itself loads SOS, a console and a symbol server's client on top, so it can only be slower.

using Microsoft.Diagnostics.Runtime;

var commands = new Dictionary<string, Action<ClrRuntime, TextWriter>>
{
    ["modules"] = Modules,
    ["eeheap-gc"] = GcHeaps,
    ["eeheap-loader"] = LoaderHeaps,
    ["stat"] = Statistics,
    ["references"] = References,
    ["gchandles"] = Handles,
};
if (args.Length != 2 || !commands.TryGetValue(args[1], out var command))
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
