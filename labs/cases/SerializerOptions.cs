using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Labs.Cases;

sealed record Bed(int Number, string Ward);

sealed class BedConverter : JsonConverter<DateTime>
{
    public override DateTime Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) => reader.GetDateTime();
    public override void Write(Utf8JsonWriter writer, DateTime value, JsonSerializerOptions options) => writer.WriteStringValue(value);
}

/// <summary>Options with a converter of their own a call, kept; in the fixed variant there is one of them.</summary>
static class SerializerOptions
{
    static readonly Queue<JsonSerializerOptions> used = new();

    public static JsonObject Run(bool leaks, int count)
    {
        var written = 0;
        for (var i = 0; i < count; i++)
        {
            if (leaks || used.Count == 0)
                used.Enqueue(new JsonSerializerOptions { Converters = { new BedConverter() } });
            written += JsonSerializer.Serialize(new Bed(i % 10, "north"), used.Peek() is var first && leaks ? used.Last() : first).Length;
        }
        return new() { ["options"] = used.Count, ["type"] = typeof(JsonSerializerOptions).FullName, ["holder"] = "Labs.Cases.SerializerOptions.used", ["written"] = written };
    }
}
