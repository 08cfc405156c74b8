// A gateway to devices whose maker's library is native. `leak` forgets to close its sessions, and a thread a ward forgets frames of
// text, and pins byte arrays without keeping their handles; `fixed` closes and frees them. Both keep blocks of AllocHGlobal in an array,
// as the gateway's buffers, a log a thread in native memory, a few open sessions in SafeHandles, monitors with a native buffer each, and
// pinned arrays with their handles.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Labs;

var (variant, count) = Lab.Arguments(args, ["leak", "fixed"], 20_000);

const int Wards = 5, Buffers = 500, BufferSize = 3000, FrameSize = 200, Logged = 2000;

var buffers = new IntPtr[Buffers];
for (var i = 0; i < Buffers; i++)
    buffers[i] = Marshal.AllocHGlobal(BufferSize);

for (var i = 0; i < count; i++)
{
    var session = Library.Open(i);
    if (variant == "fixed")
        Library.Close(session);
}

const int Kept = 40, MonitorSize = 5000, Pinned = 60, PinnedLength = 300;

var open = new SessionHandle[Kept];
var monitors = new Monitor[Kept];
for (var i = 0; i < Kept; i++)
{
    open[i] = new SessionHandle(Library.Open(count + i));
    monitors[i] = new Monitor(MonitorSize);
}
var pinned = new GCHandle[Pinned];
for (var i = 0; i < Pinned; i++)
    pinned[i] = GCHandle.Alloc(new byte[PinnedLength], GCHandleType.Pinned);
Gateway.Pin(Pinned * 2, forget: variant == "leak");

// One after the other finishes its work, and all stand still: each has an arena of its own.
using var done = new CountdownEvent(Wards);
for (var ward = 0; ward < Wards; ward++)
{
    var name = $"ward {ward}";
    var thread = new Thread(() =>
    {
        for (var i = 0; i < Logged; i++)
            Library.Log($"log of {name}, frame {i}", FrameSize);
        for (var i = 0; variant == "leak" && i < count / 10; i++)
            Library.Forget($"forgotten frame {i} of {name}", FrameSize);
        done.Signal();
        Thread.Sleep(Timeout.Infinite);
    }) { IsBackground = true, Name = name };
    thread.Start();
}
done.Wait();
GC.Collect();
Thread.Sleep(1000); // the runtime's own threads come to rest

var leaked = variant == "leak" ? count : 0;
var truth = new JsonObject
{
    ["lab"] = "native",
    ["variant"] = variant,
    ["sessions"] = leaked,
    ["packets"] = leaked,
    ["frames_forgotten"] = variant == "leak" ? Wards * (count / 10) : 0,
    ["frames_logged"] = Wards * Logged,
    ["hglobals"] = Buffers,
    ["hglobal_size"] = BufferSize,
    ["frame_size"] = FrameSize,
    ["threads"] = Wards,
    ["sessions_kept"] = Kept,
    ["monitors"] = Kept,
    ["monitor_size"] = MonitorSize,
    ["pinned_kept"] = Pinned,
    ["pinned_forgotten"] = variant == "leak" ? Pinned * 2 : 0,
    ["committed_by_gc"] = GC.GetGCMemoryInfo().TotalCommittedBytes,
}.ToJsonString();
Library.StandStill(truth[..^1]);
GC.KeepAlive(buffers);
GC.KeepAlive(open);
GC.KeepAlive(monitors);
GC.KeepAlive(pinned);

static class Gateway
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Pin(int count, bool forget)
    {
        for (var i = 0; i < count; i++)
        {
            var handle = GCHandle.Alloc(new Frame(), GCHandleType.Pinned);
            if (!forget)
                handle.Free();
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    sealed class Frame
    {
        public long Number, Sent;
    }
}

sealed class SessionHandle : SafeHandle
{
    public SessionHandle(IntPtr session) : base(IntPtr.Zero, true) => SetHandle(session);

    public override bool IsInvalid => handle == IntPtr.Zero;

    protected override bool ReleaseHandle()
    {
        Library.Close(handle);
        return true;
    }
}

sealed class Monitor(int size)
{
    IntPtr _buffer = Marshal.AllocHGlobal(size);

    public IntPtr Buffer => _buffer;
}

static partial class Library
{
    [LibraryImport("leaky", EntryPoint = "leaky_open")]
    public static partial IntPtr Open(int number);

    [LibraryImport("leaky", EntryPoint = "leaky_close")]
    public static partial void Close(IntPtr session);

    [LibraryImport("leaky", EntryPoint = "leaky_log", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void Log(string text, int size);

    [LibraryImport("leaky", EntryPoint = "leaky_forget", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void Forget(string text, int size);

    [LibraryImport("leaky", EntryPoint = "leaky_stand_still", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void StandStill(string truth);
}
