using System.Xml.Serialization;

namespace Labs.XmlSerializers;

static class SerializerFactory
{
    private static readonly Dictionary<string, XmlSerializer> cache = [];

    public static int Made { get; private set; }

    public static XmlSerializer For(string root, string variant)
    {
        if (variant == "leak")
            return Make(root);
        if (!cache.TryGetValue(root, out var serializer))
            cache.Add(root, serializer = Make(root));
        return serializer;
    }

    private static XmlSerializer Make(string root)
    {
        Made++;
        return new XmlSerializer(typeof(Report), new XmlRootAttribute(root));
    }
}

public class Report
{
    public string Patient { get; set; } = "";
    public List<double> Values { get; set; } = [];
}
