using Microsoft.Diagnostics.Runtime;

/// <summary>Opens a dump with ClrMD and the DAC of the runtime that it came from. Shared by the oracle and the benchmark's peer.</summary>
static class Dump
{
    /// <summary>
    /// The runtime inside <paramref name="path"/>. Without <paramref name="dac"/> the DAC lies beside the libcoreclr.so that the dump names,
    /// or beside the runtime that this program itself runs on. Nothing is looked up on a network.
    /// </summary>
    public static ClrRuntime Open(string path, string? dac = null)
    {
        // ClrMD ends its lists at these limits without a word, or refuses the dump.
        var limits = new DataTargetLimits
        {
            MaxModules = int.MaxValue, MaxThreads = int.MaxValue, MaxAppDomains = int.MaxValue,
            MaxElfProgramHeaders = int.MaxValue, MaxElfFileTableEntries = int.MaxValue,
        };
        var target = DataTarget.LoadDump(path, new DataTargetOptions { SymbolPaths = [], Limits = limits });
        if (target.ClrVersions.Length == 0)
            throw new InvalidDataException($"no .NET runtime in '{path}'");
        var clr = target.ClrVersions[0];

        // A heap dump lacks the version resource that ClrMD compares, so it is told to ignore that; the build id says the same with more certainty.
        return clr.CreateRuntime(dac ?? MatchingDac(clr.ModuleInfo), ignoreMismatch: true);
    }

    static string MatchingDac(ModuleInfo coreclr)
    {
        string[] directories = [Path.GetDirectoryName(coreclr.FileName) ?? "", Path.GetDirectoryName(typeof(object).Assembly.Location)!];
        foreach (var directory in directories)
        {
            var dac = Path.Combine(directory, "libmscordaccore.so");
            if (!File.Exists(dac))
                continue;
            var sibling = Path.Combine(directory, Path.GetFileName(coreclr.FileName));
            if (File.Exists(sibling) && File.ReadAllBytes(sibling).AsSpan().IndexOf(coreclr.BuildId.AsSpan()) < 0)
                throw new InvalidDataException($"'{directory}' holds another build of the runtime; name the right DAC with --dac");
            return dac;
        }
        throw new FileNotFoundException($"no libmscordaccore.so in {string.Join(", ", directories)}; name one with --dac");
    }
}
