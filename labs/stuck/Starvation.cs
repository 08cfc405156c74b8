using System.Text.Json.Nodes;

namespace Labs.Stuck;

sealed class Orders
{
    readonly SemaphoreSlim gate = new(8);

    public async Task<int> LoadAsync(int id)
    {
        await gate.WaitAsync();
        try
        {
            await Task.Delay(20);
            return id * 2;
        }
        finally
        {
            gate.Release();
        }
    }

    // Blocks a worker of the pool until another worker has run the rest of LoadAsync.
    public int Load(int id) => LoadAsync(id).Result;
}

/// <summary>More requests than the pool has workers, each of which waits synchronously for asynchronous work. Fixed: they await it.</summary>
static class Starvation
{
    const int Workers = 16;
    static readonly Orders orders = new();
    static int done;

    public static JsonObject Run(bool starves, int count)
    {
        ThreadPool.SetMinThreads(Workers, Workers);
        ThreadPool.SetMaxThreads(Workers, Workers);
        var requests = new List<Task>();
        for (var i = 0; i < count; i++)
        {
            var id = i;
            requests.Add(starves ? Task.Run(() => Handle(id)) : Task.Run(() => HandleAsync(id)));
        }
        if (starves)
            Thread.Sleep(3000);
        else
            Task.WaitAll([.. requests]);
        return new()
        {
            ["workers"] = Workers, ["requests"] = count, ["done"] = done, ["pending"] = ThreadPool.PendingWorkItemCount, ["threads"] = ThreadPool.ThreadCount,
            ["method"] = "Labs.Stuck.Orders.Load",
        };
    }

    static void Handle(int id)
    {
        orders.Load(id);
        Interlocked.Increment(ref done);
    }

    static async Task HandleAsync(int id)
    {
        await orders.LoadAsync(id);
        Interlocked.Increment(ref done);
    }
}
