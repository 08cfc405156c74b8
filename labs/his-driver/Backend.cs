using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace His.Driver;

/// <summary>The backend as a client sees it: JSON and HL7 over HTTP.</summary>
sealed class Backend(Uri address) : IDisposable
{
    private readonly HttpClient http = new() { BaseAddress = address, Timeout = TimeSpan.FromSeconds(30) };

    public int Requests { get; private set; }
    public int Failed { get; private set; }

    public async Task Login(string name, string password)
    {
        var answer = await Send(HttpMethod.Post, "/api/login", new { name, password });
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (string)answer!["token"]!);
    }

    public async Task<JsonObject> Status() => (await http.GetFromJsonAsync<JsonObject>("/api/system/status"))!;

    public Task<JsonNode?> Get(string path, string? workstation = null) => Send(HttpMethod.Get, path, null, workstation);

    public Task<JsonNode?> Post(string path, object? body = null, string? workstation = null) => Send(HttpMethod.Post, path, body, workstation);

    public Task<JsonNode?> Put(string path, object body, string? workstation = null) => Send(HttpMethod.Put, path, body, workstation);

    /// <summary>Sends an HL7 message; an acknowledgement other than AA counts as a failure.</summary>
    public async Task Hl7(string message)
    {
        Requests++;
        using var response = await http.PostAsync("/api/hl7", new StringContent(message, Encoding.UTF8, "application/hl7-v2"));
        if (!(await response.Content.ReadAsStringAsync()).Contains("MSA|AA|"))
            Failed++;
    }

    private async Task<JsonNode?> Send(HttpMethod method, string path, object? body, string? workstation = null)
    {
        Requests++;
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
            request.Content = JsonContent.Create(body);
        if (workstation is not null)
            request.Headers.Add("X-Workstation", workstation);
        using var response = await http.SendAsync(request);
        if (!response.IsSuccessStatusCode)
            Failed++;
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode && text.Length > 0 ? JsonNode.Parse(text) : null;
    }

    public void Dispose() => http.Dispose();
}
