using System.Text.Json;

/// <summary>
/// Prints relations as clrtrail's --jsonl does: a head line that names the relation, then a row a line.
/// An unsigned 64-bit cell is an address and prints as "0x...", null and "" as null.
/// </summary>
sealed class Rows(Stream output) : IDisposable
{
    readonly Utf8JsonWriter _json = new(output, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    public void Head(string relation) => Add(("relation", relation));

    public void Add(params ReadOnlySpan<(string Name, object? Value)> cells)
    {
        _json.WriteStartObject();
        foreach (var (name, value) in cells)
            switch (value)
            {
                case null or "": _json.WriteNull(name); break;
                case ulong address: _json.WriteString(name, $"0x{address:x}"); break;
                case string text: _json.WriteString(name, text); break;
                case bool flag: _json.WriteBoolean(name, flag); break;
                default: _json.WriteNumber(name, Convert.ToInt64(value)); break;
            }
        _json.WriteEndObject();
        _json.Flush();
        _json.Reset();
        output.WriteByte((byte)'\n');
    }

    public void Dispose() => output.Dispose();
}
