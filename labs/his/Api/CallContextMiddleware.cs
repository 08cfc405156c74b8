using His.Aop;
using His.Domain;
using His.Services;

namespace His.Api;

/// <summary>Finds out who calls, and turns what services refuse into answers.</summary>
public sealed class CallContextMiddleware(RequestDelegate next, Sessions sessions)
{
    public async Task InvokeAsync(HttpContext http)
    {
        var authorization = http.Request.Headers.Authorization.ToString();
        var user = authorization.StartsWith("Bearer ", StringComparison.Ordinal) ? sessions.Find(authorization["Bearer ".Length..]) : null;
        if (user is null && http.Request.Path != "/api/login")
        {
            http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }
        if (user is not null)
            CallContext.Current = new CallContext(user, http.Request.Headers["X-Workstation"].FirstOrDefault());
        try
        {
            await next(http);
        }
        catch (Exception e) when (e is RuleViolation or NotFound or Forbidden)
        {
            http.Response.StatusCode = e switch
            {
                NotFound => StatusCodes.Status404NotFound,
                Forbidden => StatusCodes.Status403Forbidden,
                _ => StatusCodes.Status422UnprocessableEntity,
            };
            await http.Response.WriteAsJsonAsync(new { error = e.Message });
        }
    }
}
