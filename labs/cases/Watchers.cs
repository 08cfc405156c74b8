using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>A watcher of the folder of reports a call, kept and not disposed; in the fixed variant each is disposed.</summary>
static class Watchers
{
    static readonly List<FileSystemWatcher> watchers = [];

    public static JsonObject Run(bool leaks, int count)
    {
        count = Math.Min(count, 120); // of inotify instances a user may have 128
        var folder = Directory.CreateTempSubdirectory("reports").FullName;
        for (var i = 0; i < count; i++)
        {
            var watcher = new FileSystemWatcher(folder) { EnableRaisingEvents = true };
            if (leaks)
                watchers.Add(watcher);
            else
                watcher.Dispose();
        }
        return new() { ["watchers"] = watchers.Count, ["type"] = typeof(FileSystemWatcher).FullName, ["holder"] = "Labs.Cases.Watchers.watchers" };
    }
}
