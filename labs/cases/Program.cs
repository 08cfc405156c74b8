// Leaks of managed references, one file each, by variant: `events` leaks, `events-fixed` does the same work without.
using System.Text.Json.Nodes;
using Labs;
using Labs.Cases;

var cases = new Dictionary<string, Func<bool, int, JsonObject>>
{
    ["events"] = Events.Run,
    ["timers"] = Timers.Run,
    ["registrations"] = Registrations.Run,
    ["linked-tokens"] = LinkedTokens.Run,
    ["providers"] = Providers.Run,
    ["http-clients"] = HttpClients.Run,
    ["keys"] = Keys.Run,
    ["growing"] = Growing.Run,
    ["regexes"] = Regexes.Run,
    ["compiled-lambdas"] = CompiledLambdas.Run,
    ["serializer-options"] = SerializerOptions.Run,
    ["watchers"] = Watchers.Run,
    ["options-listeners"] = OptionsListeners.Run,
    ["token-timeouts"] = TokenTimeouts.Run,
    ["loggers"] = Loggers.Run,
    ["http-client-names"] = HttpClientNames.Run,
    ["memory-caches"] = MemoryCaches.Run,
    ["scopes"] = Scopes.Run,
    ["root-disposables"] = RootDisposables.Run,
    ["meters"] = Meters.Run,
    ["pending-tasks"] = PendingTasks.Run,
    ["semaphore-waiters"] = SemaphoreWaiters.Run,
    ["channel-backlog"] = ChannelBacklog.Run,
    ["load-contexts"] = LoadContexts.Run,
    ["thread-locals"] = ThreadLocals.Run,
    ["certificates"] = Certificates.Run,
    ["large-holes"] = LargeHoles.Run,
    ["pinned-holes"] = PinnedHoles.Run,
    ["kept-memory"] = KeptMemory.Run,
    ["native-blocks"] = NativeBlocks.Run,
    ["free-chunks"] = FreeChunks.Run,
    ["async-locals"] = AsyncLocals.Run,
    ["sqlite-pools"] = SqlitePools.Run,
    ["sqlite-connections"] = SqliteConnections.Run,
    ["assembly-copies"] = AssemblyCopies.Run,
    ["generic-types"] = GenericTypes.Run,
    ["texts"] = Texts.Run,
    ["closures"] = Closures.Run,
    ["array-pools"] = ArrayPools.Run,
    ["weak-tables"] = WeakTables.Run,
    ["gc-handles"] = GcHandles.Run,
    ["continuations"] = Continuations.Run,
    ["activities"] = Activities.Run,
    ["thread-statics"] = ThreadStatics.Run,
    ["pinned-buffers"] = PinnedBuffers.Run,
};
var (variant, count) = Lab.Arguments(args, [.. cases.Keys, .. cases.Keys.Select(name => name + "-fixed")], 500);
var name = variant.EndsWith("-fixed") ? variant[..^6] : variant;

var truth = cases[name](variant == name, count);
GC.Collect();
GC.WaitForPendingFinalizers();
GC.Collect();
truth["lab"] = "cases";
truth["variant"] = variant;
Lab.StandStill(truth);
