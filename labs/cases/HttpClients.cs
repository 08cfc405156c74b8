using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Labs.Cases;

/// <summary>A server for one file, that keeps connections open.</summary>
sealed class Server
{
    readonly TcpListener listener = new(IPAddress.Loopback, 0);

    public Server()
    {
        listener.Start();
        _ = Accept();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/");

    async Task Accept()
    {
        while (true)
            _ = Serve(await listener.AcceptTcpClientAsync());
    }

    static async Task Serve(TcpClient client)
    {
        var buffer = new byte[4096];
        var answer = Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        while (await client.GetStream().ReadAsync(buffer) > 0)
            await client.GetStream().WriteAsync(answer);
    }
}

/// <summary>A client a call, not disposed but kept by what it serves: each has a pool of connections of its own.</summary>
static class HttpClients
{
    static readonly Server server = new();
    static readonly List<HttpClient> clients = [];
    static readonly HttpClient shared = new();

    public static JsonObject Run(bool leaks, int count)
    {
        var characters = 0;
        for (var i = 0; i < count; i++)
        {
            var client = leaks ? new HttpClient() : shared;
            if (leaks)
                clients.Add(client);
            characters += client.GetStringAsync(server.Address).GetAwaiter().GetResult().Length;
        }
        return new() { ["clients"] = leaks ? count : 1, ["characters"] = characters, ["host"] = "127.0.0.1", ["holder"] = "Labs.Cases.HttpClients.clients" };
    }
}
