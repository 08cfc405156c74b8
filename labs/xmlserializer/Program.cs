// N XML serializers with a root element of their own. That constructor caches nothing, so `leak` generates an assembly a call;
// `fixed` keeps one serializer a root element.
using System.Text.Json.Nodes;
using System.Xml.Serialization;
using Labs;
using Labs.XmlSerializers;

var (variant, count) = Lab.Arguments(args, ["leak", "fixed"], 100);

var written = 0;
for (var i = 0; i < count; i++)
{
    var text = new StringWriter();
    SerializerFactory.For("LabReport", variant).Serialize(text, new Report { Patient = $"Patient {i}", Values = [i, i + 0.5] });
    written += text.GetStringBuilder().Length;
}

Lab.StandStill(new JsonObject
{
    ["lab"] = "xmlserializer",
    ["variant"] = variant,
    ["serializers"] = SerializerFactory.Made,
    ["serialized_type"] = typeof(Report).FullName,
    ["characters_written"] = written,
    ["dynamic_modules"] = Lab.DynamicModules(),
});
