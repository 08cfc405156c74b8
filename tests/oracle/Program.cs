// What ClrMD, driving the DAC, says of a dump: the other opinion that clrtrail is compared with (see compare).
//
//     oracle DUMP RELATION... [--dac PATH] [--seeds FILE]        RELATION: one of those below, or `all`
//
// FILE holds addresses of objects, one a line, in hexadecimal: where `live` begins to follow references.

using System.Globalization;
using System.Numerics;
using System.Reflection.Metadata;
using Microsoft.Diagnostics.Runtime;

var relations = new Dictionary<string, Action<ClrRuntime, Rows>>
{
    ["app_domains"] = AppDomains,
    ["assemblies"] = Assemblies,
    ["modules"] = Modules,
    ["types"] = Types,
    ["type_histogram"] = TypeHistogram,
    ["gc_heaps"] = GcHeaps,
    ["loader_heaps"] = LoaderHeaps,
    ["code_heaps"] = CodeHeaps,
    ["threads"] = Threads,
    ["frames"] = Frames,
    ["stack_roots"] = StackRoots,
    ["exceptions"] = Exceptions,
    ["handles"] = Handles,
    ["objects_total"] = ObjectsTotal,
    ["references_total"] = ReferencesTotal,
    ["finalize_queue"] = FinalizeQueue,
    ["statics"] = Statics,
    ["reachable"] = (runtime, rows) => Reachable(runtime, runtime.Heap.EnumerateRoots().Select(root => root.Object.Address), rows),
    ["live"] = (runtime, rows) => Reachable(runtime, Seeds.Concat(Frozen(runtime)), rows),
    ["objects"] = Objects,
    ["references"] = References,
};
string[] rowPerObject = ["objects", "references", "reachable", "live"]; // too long for `all`

var words = args.ToList();
var dac = Option("--dac");
if (Option("--seeds") is { } seeds)
    Seeds = File.ReadLines(seeds).Select(line => ulong.Parse(line, NumberStyles.HexNumber)).ToList();
var wanted = words.Skip(1).SelectMany(w => w == "all" ? relations.Keys.Except(rowPerObject) : [w]).ToList();
if (wanted.Count == 0 || wanted.Exists(w => !relations.ContainsKey(w)))
{
    Console.Error.WriteLine($"usage: oracle DUMP RELATION... [--dac PATH]\nRELATION: all {string.Join(' ', relations.Keys)}");
    return 1;
}

ClrRuntime runtime;
try
{
    runtime = Dump.Open(words[0], dac);
}
catch (Exception e) when (e is ClrDiagnosticsException or IOException or InvalidDataException)
{
    Console.Error.WriteLine($"oracle: cannot open '{words[0]}': {e.InnerException?.Message ?? e.Message}");
    return 2;
}
using var rows = new Rows(new BufferedStream(Console.OpenStandardOutput(), 1 << 16));
foreach (var relation in wanted)
{
    rows.Head(relation);
    relations[relation](runtime, rows);
}
return 0;

string? Option(string name)
{
    if (words.IndexOf(name) is not (>= 0 and var at) || at + 1 >= words.Count)
        return null;
    var value = words[at + 1];
    words.RemoveRange(at, 2);
    return value;
}

static void AppDomains(ClrRuntime runtime, Rows rows)
{
    foreach (var domain in runtime.AppDomains)
        rows.Add(("address", domain.Address), ("name", domain.Name));
}

static void Assemblies(ClrRuntime runtime, Rows rows)
{
    foreach (var modules in runtime.EnumerateModules().Where(m => m.AssemblyAddress != 0).GroupBy(m => m.AssemblyAddress))
        rows.Add(("address", modules.Key), ("dynamic", modules.First().IsDynamic), ("module_count", modules.Count()));
}

static void Modules(ClrRuntime runtime, Rows rows)
{
    foreach (var module in runtime.EnumerateModules())
    {
        rows.Add(("address", module.Address), ("name", Path.GetFileName(module.Name)), ("path", module.Name), ("assembly", Known(module.AssemblyAddress)),
            ("dynamic", module.IsDynamic), ("base", Known(module.ImageBase)), ("size", Known((long)module.Size)),
            ("mvid", Mvid(module, runtime.DataTarget.DataReader)), ("loader_allocator", module.LoaderAllocator));
    }
}

/// <summary>The module's version id, read from its metadata by System.Reflection.Metadata, or null when that is not in the dump.</summary>
static unsafe string? Mvid(ClrModule module, IDataReader reader)
{
    var bytes = new byte[module.MetadataLength];
    if (bytes.Length == 0 || reader.Read(module.MetadataAddress, bytes) != bytes.Length)
        return null;
    fixed (byte* start = bytes)
    {
        var metadata = new MetadataReader(start, bytes.Length);
        return metadata.GetGuid(metadata.GetModuleDefinition().Mvid).ToString();
    }
}

/// <summary>Every type met on the heap or in a module's type map, with the types that these are built from.</summary>
static void Types(ClrRuntime runtime, Rows rows)
{
    var types = new Dictionary<ulong, ClrType>();
    void Meet(ClrType? type)
    {
        for (; type is { MethodTable: not 0 } && types.TryAdd(type.MethodTable, type); type = type.BaseType)
            Meet(type.ComponentType);
    }
    foreach (var o in runtime.Heap.EnumerateObjects())
        Meet(o.Type);
    foreach (var module in runtime.EnumerateModules())
        foreach (var (methodTable, _) in module.EnumerateTypeDefToMethodTableMap())
            Meet(runtime.GetTypeByMethodTable(methodTable));

    foreach (var type in types.Values)
        rows.Add(("method_table", type.MethodTable), ("name", type.Name), ("module", type.Module.Address), ("dynamic", type.Module.IsDynamic),
            ("token", type.MetadataToken), ("base_size", type.StaticSize), ("component_size", type.ComponentSize),
            ("parent", type.BaseType?.MethodTable), ("parent_name", type.BaseType?.Name));
}

static void TypeHistogram(ClrRuntime runtime, Rows rows)
{
    var types = new Dictionary<ClrType, (long Count, long Size)>();
    foreach (var o in Valid(runtime))
    {
        var (count, size) = types.GetValueOrDefault(o.Type!);
        types[o.Type!] = (count + 1, size + (long)o.Size);
    }
    foreach (var (type, (count, size)) in types)
        rows.Add(("method_table", type.MethodTable), ("type", type.Name), ("count", count), ("size", size));
}

/// <summary>Segments or regions, then those that the GC keeps free, of which ClrMD knows no more than the range.</summary>
static void GcHeaps(ClrRuntime runtime, Rows rows)
{
    foreach (var segment in runtime.Heap.Segments)
    {
        // ClrMD's reserved range begins where the committed one ends; here it is the whole reservation.
        var (committed, reserved) = (segment.CommittedMemory, segment.ReservedMemory);
        rows.Add(("region", Page(segment.Start)), ("heap", segment.SubHeap.Index), ("generation", GenerationOf(segment, segment.Start)),
            ("start", segment.Start), ("end", segment.End), ("size", (long)segment.Length), ("committed", (long)committed.Length),
            ("reserved", (long)(reserved.End - committed.Start)), ("kind", segment.Kind.ToString()));
    }
    foreach (var free in runtime.EnumerateClrNativeHeaps().Where(h => h.Kind.ToString().StartsWith("GCFree")))
        rows.Add(("region", Page(free.MemoryRange.Start)), ("heap", free.GCHeap), ("size", 0), ("committed", (long)free.MemoryRange.Length), ("kind", "free"));

    static ulong Page(ulong address) => address & ~0xffful;
}

static int? GenerationOf(ClrSegment segment, ulong address) => segment.GetGeneration(address) switch
{
    Generation.Generation0 => 0,
    Generation.Generation1 => 1,
    Generation.Generation2 => 2,
    Generation.Large => 3,
    Generation.Pinned => 4,
    _ => null, // frozen
};

/// <summary>
/// Blocks of loader heaps, each once: ClrMD lists those of the global allocator for every domain, and those of a collectible allocator, which
/// has one heap for low and high frequency, under both names. `kinds` has all the names.
/// </summary>
static void LoaderHeaps(ClrRuntime runtime, Rows rows)
{
    var allocators = runtime.EnumerateModules().DistinctBy(m => m.LoaderAllocator)
        .SelectMany(m => m.EnumerateLoaderAllocatorHeaps().Select(block => (Allocator: (ulong?)m.LoaderAllocator, Block: block)));
    var domains = runtime.AppDomains.Append(runtime.SystemDomain)
        .SelectMany(d => d?.EnumerateLoaderAllocatorHeaps() ?? []).Select(block => (Allocator: (ulong?)null, Block: block));
    var thunks = runtime.EnumerateModules().Where(m => m.ThunkHeap != 0)
        .SelectMany(m => m.EnumerateThunkHeap().Select(block => (Allocator: (ulong?)m.LoaderAllocator, Block: block)));

    foreach (var same in allocators.Concat(domains).Concat(thunks).GroupBy(x => x.Block.MemoryRange.Start))
        rows.Add(("allocator", same.First().Allocator), ("kind", same.First().Block.Kind.ToString()), ("address", same.Key),
            ("size", (long)same.Max(x => x.Block.MemoryRange.Length)), ("kinds", string.Join(' ', same.Select(x => x.Block.Kind).Distinct())));
}

static void CodeHeaps(ClrRuntime runtime, Rows rows)
{
    foreach (var manager in runtime.EnumerateJitManagers())
        foreach (var block in manager.EnumerateNativeHeaps().DistinctBy(b => b.MemoryRange.Start))
            rows.Add(("address", block.MemoryRange.Start), ("size", (long)block.MemoryRange.Length), ("kind", block.Kind.ToString()), ("manager", manager.Address));
}

static void Threads(ClrRuntime runtime, Rows rows)
{
    foreach (var thread in runtime.Threads)
        rows.Add(("managed_id", thread.ManagedThreadId), ("os_id", Known(thread.OSThreadId)), ("address", thread.Address), ("state_flags", (uint)thread.State),
            ("alive", thread.IsAlive), ("background", thread.State.HasFlag(ClrThreadState.TS_Background)),
            ("pool", thread.State.HasFlag(ClrThreadState.TS_TPWorkerThread)), ("finalizer", thread.IsFinalizer),
            ("managed_frame_count", thread.EnumerateStackTrace().Count(f => f.Kind == ClrStackFrameKind.ManagedMethod)));
}

/// <summary>The IL offset is the one that the method's map gives for the frame's instruction: the leaf's own, of the others the call's.</summary>
static void Frames(ClrRuntime runtime, Rows rows)
{
    foreach (var thread in runtime.Threads)
    {
        foreach (var frame in thread.EnumerateStackTrace().Where(f => f.Kind == ClrStackFrameKind.ManagedMethod && f.Method is not null))
            rows.Add(("managed_id", thread.ManagedThreadId), ("sp", frame.StackPointer), ("ip", frame.InstructionPointer), ("method_desc", frame.Method!.MethodDesc),
                ("il_offset", IlOffset(frame)));
    }

    static int? IlOffset(ClrStackFrame frame)
    {
        var at = frame.InstructionPointer - 1;
        var offsets = frame.Method!.ILOffsetMap.Where(m => m.ILOffset >= 0 && m.StartAddress <= at && at < m.EndAddress).Select(m => (int?)m.ILOffset).ToList();
        return offsets.Count == 1 ? offsets[0] : null;
    }
}

/// <summary>Roots by frame. A pointer into an object is given with the object.</summary>
static void StackRoots(ClrRuntime runtime, Rows rows)
{
    foreach (var thread in runtime.Threads)
        foreach (var root in thread.EnumerateStackRoots())
        {
            var stackRoot = (ClrStackRoot)root;
            rows.Add(("managed_id", thread.ManagedThreadId), ("sp", Known(stackRoot.StackFrame?.StackPointer ?? 0)), ("ip", Known(stackRoot.StackFrame?.InstructionPointer ?? 0)),
                ("place", Known(stackRoot.Address)), ("register", stackRoot.Address == 0 ? stackRoot.RegisterName : null),
                ("object", root.Object.Address), ("interior", root.IsInterior), ("pinned", root.IsPinned),
                ("frame", stackRoot.StackFrame?.FrameName), ("method", stackRoot.StackFrame?.Method?.Signature));
        }
}

static void Exceptions(ClrRuntime runtime, Rows rows)
{
    foreach (var o in Valid(runtime).Where(o => o.IsException))
    {
        var e = o.AsException()!;
        var stack = e.StackTrace.Select(f => f.Method is null ? 0 : f.InstructionPointer).ToList();
        rows.Add(("address", o.Address), ("type", o.Type!.Name), ("message", e.Message), ("inner", Known(e.Inner?.Address ?? 0)), ("hresult", (uint)e.HResult),
            ("frame_count", stack.Count), ("first_ip", Known(stack.FirstOrDefault())));
    }
}

static void Handles(ClrRuntime runtime, Rows rows)
{
    foreach (var handle in runtime.EnumerateHandles())
        rows.Add(("address", handle.Address), ("kind", Kind(handle.HandleKind)), ("object", handle.Object.Address),
            ("type", handle.Object.Type?.Name), ("dependent", Known(handle.Dependent.Address)));

    // Kinds that are newer than ClrMD's enumeration.
    static string Kind(ClrHandleKind kind) => (int)kind switch { 10 => "WeakInteriorPointer", 11 => "CrossReference", _ => kind.ToString() };
}

static T? Known<T>(T value) where T : struct, INumber<T> => T.IsZero(value) ? null : value;

static void ObjectsTotal(ClrRuntime runtime, Rows rows)
{
    long count = 0, size = 0;
    foreach (var o in Valid(runtime))
        (count, size) = (count + 1, size + (long)o.Size);
    rows.Add(("count", count), ("size", size));
}

static void Objects(ClrRuntime runtime, Rows rows)
{
    foreach (var segment in runtime.Heap.Segments)
        foreach (var o in segment.EnumerateObjects().Where(o => o.Type is not null))
            rows.Add(("address", o.Address), ("type", o.Type!.Name), ("size", (long)o.Size), ("generation", GenerationOf(segment, o.Address)),
                ("heap", segment.SubHeap.Index), ("method_table", o.Type.MethodTable));
}

/// <summary>The number of references and the sum of a hash of every pair, which says whether two lists agree in any order.</summary>
static void ReferencesTotal(ClrRuntime runtime, Rows rows)
{
    long count = 0;
    ulong hash = 0;
    foreach (var (from, to) in Pairs(runtime))
        (count, hash) = (count + 1, hash + Mix(from + BitOperations.RotateLeft(Mix(to), 1)));
    rows.Add(("count", count), ("hash", hash));

    static ulong Mix(ulong x) // splitmix64
    {
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
        x = (x ^ x >> 27) * 0x94d049bb133111eb;
        return x ^ x >> 31;
    }
}

static void References(ClrRuntime runtime, Rows rows)
{
    foreach (var (from, to) in Pairs(runtime))
        rows.Add(("from", from), ("to", to));
}

/// <summary>
/// A pair for every field or element that holds a reference, and one from each object of a collectible type to its loader allocator, which only
/// EnumerateReferences has. Dependent handles are no fields: they are in `handles`.
/// </summary>
static IEnumerable<(ulong From, ulong To)> Pairs(ClrRuntime runtime)
{
    return from o in Valid(runtime) from to in Targets(o) select (o.Address, to);

    static IEnumerable<ulong> Targets(ClrObject o) => o.Type!.IsCollectible
        ? o.EnumerateReferences(carefully: false, considerDependantHandles: false).Select(target => target.Address)
        : o.EnumerateReferenceAddresses(carefully: false, considerDependantHandles: false);
}

/// <summary>Objects with a finalizer that has not run, and of these the ones that wait for the finalizer thread.</summary>
static void FinalizeQueue(ClrRuntime runtime, Rows rows)
{
    var ready = runtime.Heap.EnumerateFinalizerRoots().Select(root => root.Object.Address).ToHashSet();
    foreach (var o in ready.Union(runtime.Heap.EnumerateFinalizableObjects().Select(o => o.Address)))
        rows.Add(("object", o), ("ready", ready.Contains(o)), ("type", runtime.Heap.GetObject(o).Type?.Name));
}

/// <summary>Static fields that have a place: of the types in the modules' maps, and of those that objects have.</summary>
static void Statics(ClrRuntime runtime, Rows rows)
{
    var domain = runtime.AppDomains[0];
    var types = runtime.EnumerateModules().SelectMany(m => m.EnumerateTypeDefToMethodTableMap()).Select(pair => runtime.GetTypeByMethodTable(pair.MethodTable))
        .Concat(Valid(runtime).Select(o => o.Type)).OfType<ClrType>().DistinctBy(type => type.MethodTable);
    foreach (var type in types)
        foreach (var field in type.StaticFields)
            if (field.GetAddress(domain) is not 0 and var address)
                rows.Add(("method_table", type.MethodTable), ("token", (uint)field.Token), ("address", address), ("field", field.Name),
                    ("element", field.ElementType.ToString()),
                    ("object", field.IsObjectReference ? Known(field.ReadObject(domain).Address) : null));
}

/// <summary>All objects that are led to, through dependent handles, too.</summary>
static void Reachable(ClrRuntime runtime, IEnumerable<ulong> seeds, Rows rows)
{
    var reached = new HashSet<ulong>();
    var todo = new Stack<ulong>();
    void Meet(ulong address)
    {
        if (address != 0 && reached.Add(address))
            todo.Push(address);
    }
    foreach (var seed in seeds)
        Meet(seed);
    while (todo.TryPop(out var address))
        foreach (var target in runtime.Heap.GetObject(address).EnumerateReferences(carefully: false, considerDependantHandles: true))
            Meet(target.Address);
    foreach (var address in reached.Where(address => runtime.Heap.GetObject(address).Type is { IsFree: false }))
        rows.Add(("address", address));
}

static IEnumerable<ulong> Frozen(ClrRuntime runtime) =>
    runtime.Heap.Segments.Where(s => s.Kind == GCSegmentKind.Frozen).SelectMany(s => s.EnumerateObjects()).Where(o => o.Type is { IsFree: false }).Select(o => o.Address);

static IEnumerable<ClrObject> Valid(ClrRuntime runtime) => runtime.Heap.EnumerateObjects().Where(o => o.Type is not null);

partial class Program
{
    static List<ulong> Seeds = [];
}
