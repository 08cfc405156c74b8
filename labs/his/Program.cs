using System.Text.Json.Serialization;
using His.Aop;
using His.Api;
using His.Data;
using His.Domain;
using His.Services;

// Arguments are the lab's business (variant and load), not configuration.
var builder = WebApplication.CreateBuilder();
builder.WebHost.UseUrls(builder.Configuration["Listen"] ?? "http://127.0.0.1:5080");
builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Warning).AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.Converters.Add(new JsonStringEnumConverter()));

var file = builder.Configuration["Database"] ?? Path.Combine(Path.GetTempPath(), "his.db");
builder.Services
    .AddSingleton(new Database($"Data Source={file}"))
    .AddSingleton(TimeProvider.System)
    .AddSingleton<Sessions>()
    .AddSingleton<LoggingInterceptor>()
    .AddSingleton<PermissionInterceptor>()
    .AddSingleton<TransactionInterceptor>()
    .AddSingleton<IPatientService, PatientService>()
    .AddSingleton<IRegistrationService, RegistrationService>()
    .AddSingleton<IQueueService, QueueService>()
    .AddSingleton<IScheduleService, ScheduleService>()
    .AddSingleton<IDrugService, DrugService>()
    .AddSingleton<IStockService, StockService>()
    .AddSingleton<IEquipmentService, EquipmentService>()
    .AddSingleton<IBillingService, BillingService>()
    .AddSingleton<IUserService, UserService>()
    .AddSingleton<IResultService, ResultService>()
    .AddSingleton<IHl7Service, Hl7Service>()
    .AddSingleton<IReportService, ReportService>();

var app = builder.Build();
ServiceLocator.Configure(app.Services);
Migrations.Apply(app.Services.GetRequiredService<Database>());
app.Services.GetRequiredService<IUserService>().Create("admin", "admin", role: "administrator"); // a lab's password

app.UseMiddleware<CallContextMiddleware>();
app.MapHis();
app.Start();
Console.WriteLine($"listening on {string.Join(", ", app.Urls)}");
app.WaitForShutdown();
