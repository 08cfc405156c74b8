// A healthy process that uses as much of the runtime as fits on a few pages. Every part keeps what it made alive and says what that was.
using System.Text.Json.Nodes;
using Labs;
using Labs.Mix;

Lab.Arguments(args, ["healthy"], 0);

var truth = new JsonObject
{
    ["lab"] = "mix",
    ["variant"] = "healthy",
    ["arrays"] = Arrays.Make(),
    ["generics"] = Generics.Make(),
    ["loading"] = Loading.Make(),
    ["roots"] = Roots.Make(),
    ["threads"] = Threads.Make(),
    ["text"] = Text.Make(),
    ["collections"] = Collections.Make(),
};
truth["dynamic_modules"] = Lab.DynamicModules();

GC.Collect();
GC.WaitForPendingFinalizers();
GC.Collect();
Lab.StandStill(truth);
