using System.Linq.Expressions;
using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>The same expression compiled a call, each delegate kept; in the fixed variant it is compiled once.</summary>
static class CompiledLambdas
{
    static readonly List<Func<int, int>> filters = [];

    public static JsonObject Run(bool leaks, int count)
    {
        var sum = 0;
        for (var i = 0; i < count; i++)
        {
            if (leaks || filters.Count == 0)
                filters.Add(Build());
            sum += filters[^1](i);
        }
        return new() { ["methods"] = filters.Count, ["type"] = "System.Reflection.Emit.DynamicMethod", ["holder"] = "Labs.Cases.CompiledLambdas.filters", ["sum"] = sum };
    }

    static Func<int, int> Build()
    {
        var age = Expression.Parameter(typeof(int), "age");
        return Expression.Lambda<Func<int, int>>(Expression.Add(Expression.Multiply(age, Expression.Constant(3)), Expression.Constant(7)), age).Compile();
    }
}
