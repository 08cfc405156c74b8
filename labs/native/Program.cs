// A gateway to devices whose maker's library is native. `leak` forgets to close its sessions, and a thread a ward forgets frames of
// text; `fixed` closes them. Both keep blocks of AllocHGlobal in an array, as the gateway's buffers, and a log a thread in native memory.
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
    ["committed_by_gc"] = GC.GetGCMemoryInfo().TotalCommittedBytes,
}.ToJsonString();
Library.StandStill(truth[..^1]);
GC.KeepAlive(buffers);

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
