using Microsoft.Diagnostics.Runtime;

// There is no dominator tree in ClrMD or SOS: the graph is ClrMD's, the algorithm that of Lengauer and Tarjan with path compression, on
// arrays of numbers, without recursion.
static class Dominators
{
    public static void Print(ClrRuntime runtime, TextWriter output)
    {
        var objects = runtime.Heap.EnumerateObjects().Where(o => o.IsValid && !o.IsFree).ToArray();
        var ids = new Dictionary<ulong, int>(objects.Length);
        foreach (var o in objects)
            ids[o.Address] = ids.Count + 1;
        var (offsets, targets) = Edges(runtime.Heap, objects, ids);
        var retained = Retained(objects, offsets, targets);
        foreach (var id in Enumerable.Range(1, objects.Length).OrderByDescending(id => retained[id]).Take(20))
            output.WriteLine($"{objects[id - 1].Address:x16} {retained[id],16} {objects[id - 1].Type?.Name}");
    }

    // Node 0 leads to what roots hold.
    static (int[] Offsets, int[] Targets) Edges(ClrHeap heap, ClrObject[] objects, Dictionary<ulong, int> ids)
    {
        var offsets = new int[objects.Length + 2];
        var targets = new List<int>();
        foreach (var root in heap.EnumerateRoots())
            if (ids.TryGetValue(root.Object.Address, out var to))
                targets.Add(to);
        for (int i = 0; i < objects.Length; i++)
        {
            offsets[i + 1] = targets.Count;
            foreach (var addr in objects[i].EnumerateReferenceAddresses(carefully: false, considerDependantHandles: true))
                if (ids.TryGetValue(addr, out var to))
                    targets.Add(to);
        }
        offsets[objects.Length + 1] = targets.Count;
        return (offsets, targets.ToArray());
    }

    static ulong[] Retained(ClrObject[] objects, int[] offsets, int[] targets)
    {
        int nodes = objects.Length + 1;
        var number = new int[nodes];
        Array.Fill(number, -1);
        var node = new int[nodes];
        var parent = new int[nodes];
        int count = Number(offsets, targets, number, node, parent);
        var (predecessorOffsets, predecessors) = Reverse(offsets, targets, number, count);
        var idom = Find(parent, predecessorOffsets, predecessors, count);
        var retained = new ulong[nodes];
        for (int v = count - 1; v > 0; v--)
        {
            retained[node[v]] += objects[node[v] - 1].Size;
            retained[node[idom[v]]] += retained[node[v]];
        }
        return retained;
    }

    static int Number(int[] offsets, int[] targets, int[] number, int[] node, int[] parent)
    {
        int count = 0;
        var stack = new Stack<(int Node, int Parent)>();
        stack.Push((0, 0));
        while (stack.TryPop(out var at))
        {
            if (number[at.Node] >= 0)
                continue;
            number[at.Node] = count;
            node[count] = at.Node;
            parent[count] = at.Parent;
            for (int e = offsets[at.Node]; e < offsets[at.Node + 1]; e++)
                if (number[targets[e]] < 0)
                    stack.Push((targets[e], count));
            count++;
        }
        return count;
    }

    static (int[] Offsets, int[] Sources) Reverse(int[] offsets, int[] targets, int[] number, int count)
    {
        var start = new int[count + 1];
        for (int i = 0; i < number.Length; i++)
            for (int e = offsets[i]; number[i] >= 0 && e < offsets[i + 1]; e++)
                start[number[targets[e]] + 1]++;
        for (int i = 0; i < count; i++)
            start[i + 1] += start[i];
        var sources = new int[start[count]];
        var next = (int[])start.Clone();
        for (int i = 0; i < number.Length; i++)
            for (int e = offsets[i]; number[i] >= 0 && e < offsets[i + 1]; e++)
                sources[next[number[targets[e]]]++] = number[i];
        return (start, sources);
    }

    static int[] Find(int[] parent, int[] offsets, int[] predecessors, int count)
    {
        var semi = new int[count];
        var label = new int[count];
        var ancestor = new int[count];
        var idom = new int[count];
        var bucketHead = new int[count];
        var bucketNext = new int[count];
        var path = new Stack<int>();
        for (int v = 0; v < count; v++)
            semi[v] = label[v] = v;
        Array.Fill(ancestor, -1);
        Array.Fill(bucketHead, -1);

        int Evaluate(int v)
        {
            if (ancestor[v] < 0)
                return v;
            for (int at = v; ancestor[ancestor[at]] >= 0; at = ancestor[at])
                path.Push(at);
            while (path.TryPop(out var at))
            {
                int above = ancestor[at];
                if (semi[label[above]] < semi[label[at]])
                    label[at] = label[above];
                ancestor[at] = ancestor[above];
            }
            return label[v];
        }

        for (int w = count - 1; w > 0; w--)
        {
            for (int e = offsets[w]; e < offsets[w + 1]; e++)
                semi[w] = Math.Min(semi[w], semi[Evaluate(predecessors[e])]);
            bucketNext[w] = bucketHead[semi[w]];
            bucketHead[semi[w]] = w;
            ancestor[w] = parent[w];
            for (int v = bucketHead[parent[w]]; v >= 0; v = bucketNext[v])
            {
                int u = Evaluate(v);
                idom[v] = semi[u] < semi[v] ? u : parent[w];
            }
            bucketHead[parent[w]] = -1;
        }
        for (int w = 1; w < count; w++)
            if (idom[w] != semi[w])
                idom[w] = idom[idom[w]];
        return idom;
    }
}
