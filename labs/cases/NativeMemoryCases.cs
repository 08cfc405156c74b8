using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>Blocks of malloc that nobody frees and nobody points at any more; in the fixed variant they are freed.</summary>
static unsafe class NativeBlocks
{
    public const int Size = 480;

    public static JsonObject Run(bool leaks, int count)
    {
        for (var i = 0; i < count * 40; i++)
        {
            var block = (byte*)NativeMemory.Alloc(Size);
            "slice of image "u8.CopyTo(new Span<byte>(block, Size));
            if (!leaks)
                NativeMemory.Free(block);
        }
        return new() { ["blocks"] = leaks ? count * 40 : 0, ["block_size"] = Size };
    }
}

/// <summary>Blocks of malloc freed but for every hundredth, which holds the heap open; in the fixed variant all are freed.</summary>
static unsafe class FreeChunks
{
    const int Size = 3000;
    static readonly List<nint> kept = [];

    public static JsonObject Run(bool leaks, int count)
    {
        var blocks = new nint[count * 80];
        for (var i = 0; i < blocks.Length; i++)
            blocks[i] = (nint)NativeMemory.AllocZeroed(Size);
        for (var i = 0; i < blocks.Length; i++)
            if (leaks && i % 100 == 99)
                kept.Add(blocks[i]);
            else
                NativeMemory.Free((void*)blocks[i]);
        return new() { ["kept"] = kept.Count, ["freed"] = (blocks.Length - kept.Count) * (long)Size };
    }
}
