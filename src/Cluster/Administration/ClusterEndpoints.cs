using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.OpenAi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using FinerCut.Gateway.Configuration.Live;

namespace FinerCut.Cluster.Administration;

/// <summary>/admin/models and /admin/cluster: the same paths and shapes as on one machine, answered by the models' owners wherever they are.</summary>
internal static class ClusterEndpoints
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public static void Map(IEndpointRouteBuilder admin, IGrainFactory grains, Members members, string? dashboard)
    {
        admin.MapGet("/models", async (HttpContext context) =>
        {
            var books = await Task.WhenAll(ModelsOf(context).Select(ReadAsync));
            return AdminAnswers.Ok(new { models = books.Where(book => book.Document.Length > 0).Zip(ModelsOf(context), (book, id) => View(id, book)) });
        });
        admin.MapGet("/models/{model}", async (string model, HttpContext context) =>
            ModelsOf(context).Contains(model) && await ReadAsync(model) is { Document.Length: > 0 } book ? AdminAnswers.Ok(View(model, book)) : ModelEndpoints.NoModel());
        admin.MapPost("/models/{model}/promote", (string model, HttpContext context) => OrderAsync(model, context, takesWeight: false, (grain, order) =>
            grain.PromoteAsync(order.Version, isRollback: false, "Promoted by an admin.")));
        admin.MapPost("/models/{model}/canary", (string model, HttpContext context) => OrderAsync(model, context, takesWeight: true, (grain, order) =>
            grain.TryAsync(order.Version, order.Weight ?? 0.1, "Tried by an admin.")));
        admin.MapPost("/models/{model}/rollback", async (string model, HttpContext context) =>
            ModelsOf(context).Contains(model) ? await AnswerAsync(model, await Grain(model).RollBackAsync("Rolled back by an admin.")) : ModelEndpoints.NoModel());
        admin.MapGet("/cluster", async (HttpContext context) =>
        {
            var books = await Task.WhenAll(ModelsOf(context).Select(async id => (Id: id, Book: await ReadAsync(id))));
            return AdminAnswers.Ok(new
            {
                dashboard,
                machines = members.All.Select(member => new
                {
                    name = member.Name,
                    address = member.SiloAddress.Endpoint.ToString(),
                    status = member.Status.ToString(),
                    roles = RolesOf(member.Name, books.Select(pair => pair.Book)),
                    memory = books.SelectMany(pair => pair.Book.Hosts).Where(host => host.Host == member.Name).Select(host => new { limit = host.LimitBytes, held = host.HeldBytes }).FirstOrDefault(),
                }),
                models = books.Select(pair => new
                {
                    model = pair.Id,
                    owner = pair.Book.Owner,
                    table = pair.Book.Number,
                    edges = pair.Book.Edges,
                    workers = pair.Book.Hosts.SelectMany(host => host.Workers).Select(worker => new { host = worker.Host, version = worker.VersionId, state = worker.State, address = worker.Url, reason = worker.Reason }),
                }),
            });
        });

        // As the models' owners hear it: a machine that has said nothing yet has none.
        static string[] RolesOf(string machine, IEnumerable<ModelBook> books) =>
            [.. new[] { books.Any(book => book.Edges.Contains(machine)) ? "edge" : "", books.Any(book => book.Hosts.Any(host => host.Host == machine)) ? "host" : "" }.Where(role => role.Length > 0)];

        IModelGrain Grain(string model) => grains.GetGrain<IModelGrain>(model);

        Task<ModelBook> ReadAsync(string model) => Grain(model).ReadAsync().WaitAsync(Patience);

        async Task<IResult> AnswerAsync(string model, Refusal? refusal) => refusal is null
            ? AdminAnswers.Ok(View(model, await ReadAsync(model)))
            : AdminAnswers.Fail(refusal.ToError());

        Task<IResult> OrderAsync(string model, HttpContext context, bool takesWeight, Func<IModelGrain, VersionOrder, Task<Refusal?>> act) => AdminAnswers.WithBodyAsync(
            context,
            bytes => JsonBody.Read(bytes, body => Read(body, takesWeight)),
            async order => ModelsOf(context).Contains(model) ? await AnswerAsync(model, await act(Grain(model), order)) : ModelEndpoints.NoModel());
    }

    private static string[] ModelsOf(HttpContext context) =>
        [.. context.RequestServices.GetRequiredService<LiveConfig>().Current.Models.Where(model => !model.IsExternal).Select(model => model.Id)];

    private static ModelView View(string model, ModelBook book)
    {
        var document = ModelDocument.Read(model, book.Document);
        return AdminViews.Of(document.Rollout, document.History);
    }

    private static VersionOrder Read(JsonBody body, bool takesWeight)
    {
        var version = body.Text("version", 100);
        if (version is null && !body.Has("version")) body.Error("version", "expected the id of a version; GET /admin/models lists them");
        return new VersionOrder(version ?? "", takesWeight ? body.Number("weight", 0, 1) : null);
    }

    private sealed record VersionOrder(string Version, double? Weight);
}
