using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>The same certificate read a call, kept and not disposed; in the fixed variant each is disposed.</summary>
static class Certificates
{
    static readonly List<X509Certificate2> read = [];

    public static JsonObject Run(bool leaks, int count)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var bytes = new CertificateRequest("CN=ward", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100)).Export(X509ContentType.Cert);
        var length = 0;
        for (var i = 0; i < count; i++)
        {
            var certificate = X509CertificateLoader.LoadCertificate(bytes);
            length += certificate.Subject.Length;
            if (leaks)
                read.Add(certificate);
            else
                certificate.Dispose();
        }
        return new() { ["certificates"] = read.Count, ["type"] = typeof(X509Certificate2).FullName, ["holder"] = "Labs.Cases.Certificates.read", ["length"] = length };
    }
}
