using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Gguf;
using FinerCut.TestModels;
using FinerCut.Tests.Access;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Processes;

/// <summary>Prune jobs by real workers on a tiny model, in a cluster of processes.</summary>
[Collection(PostgresCollection.Name)]
public class RealJobTests(PostgresServer postgres)
{
    private const string Order = """
        {"budget":{"sublayers":12},"search":"paper","healing":"none","promote":false,"min_tokens":64,"max_held_out_tokens":512,"threads":1,
         "gate":{"max_mean_kl":1000,"min_top1_agreement":0,"max_answer_nll_increase":1000,"max_general_nll_increase":1000,"min_common_prefix":0}}
        """;

    /// <summary>Scored by the other host as well, killed in the middle of the search, gone on with elsewhere: the same file as that of a job that nothing happened to.</summary>
    [Fact]
    public async Task A_job_whose_host_is_killed_makes_the_file_that_it_would_have_made()
    {
        var database = await postgres.NewDatabaseAsync();
        await using var edge = Prepare("edge", "Edge", database);
        await using var one = Prepare("one", "Host", database);
        await using var two = Prepare("two", "Host", database);
        string Logs() => $"=== edge\n{edge.Log}\n=== one\n{one.Log}\n=== two\n{two.Log}";
        await one.RunAsync(ready: false);
        await Task.WhenAll(edge.RunAsync(), two.RunAsync(ready: false));
        for (var i = 0; i < 24; i++) await ChatAsync(edge, i);
        await Eventually.BeAsync(async () => (await edge.GetAsync($"/admin/models/{GatewayProcess.Model}/recording")).GetProperty("counts").GetProperty("distinct").GetInt32() >= 24, Logs);

        var undisturbed = await EndAsync(edge, await OrderAsync(edge), Logs);
        Assert.True(undisturbed.GetProperty("state").GetString() == "passed", undisturbed + Logs());
        // The other host scored for it.
        Assert.Contains(undisturbed.GetProperty("result").GetProperty("notes").EnumerateArray(), note => note.GetString() is { } text && text.Contains(" scored ", StringComparison.Ordinal) && !text.Contains(" scored 0 ", StringComparison.Ordinal));

        var id = await OrderAsync(edge);
        JsonElement job = default;
        await Eventually.BeAsync(async () => (job = await edge.GetAsync($"/admin/jobs/{id}")).TryGetProperty("progress", out var progress) && progress.GetProperty("phase").GetString() == "search" && progress.GetProperty("step").GetInt32() >= 2, () => job + Logs(), seconds: 120);
        var killed = job.GetProperty("host").GetString() == "one" ? one : two;
        killed.Kill();
        job = await EndAsync(edge, id, Logs);
        Assert.True(job.GetProperty("state").GetString() == "passed", job + Logs());
        var (before, after) = (undisturbed.GetProperty("host").GetString(), job.GetProperty("host").GetString());
        Assert.NotEqual(killed == one ? "one" : "two", after);
        Assert.Equal(
            await File.ReadAllBytesAsync(LeanFile(before == "one" ? one : two, 1)),
            await File.ReadAllBytesAsync(LeanFile(after == "one" ? one : two, 2)));
        Assert.Equal(undisturbed.GetProperty("result").GetProperty("removed").GetRawText(), job.GetProperty("result").GetProperty("removed").GetRawText());
        // Nothing of the recorded text is left where it ran.
        Assert.False(Directory.Exists(Path.Combine((after == "one" ? one : two).Folder, "state", "jobs", id)));
    }

    private static GatewayProcess Prepare(string name, string roles, string database)
    {
        var machine = GatewayProcess.Prepare(settings =>
        {
            settings["Access"]!["Postgres"] = database;
            settings["Cluster"] = new JsonObject { ["Mode"] = "Orleans", ["Name"] = name, ["Roles"] = roles, ["Port"] = ThreeMachines.FreePort(), ["Secret"] = ThreeMachines.Secret, ["Scorers"] = 4 };
            settings["Worker"]!["Path"] = GatewayProcess.Worker.Replace("FakeWorker", "Worker", StringComparison.Ordinal);
            settings["Jobs"] = new JsonObject { ["MinConversations"] = 4, ["Threads"] = 1, ["Yield"] = false };
            var model = settings["Models"]![GatewayProcess.Model]!;
            (model["Threads"], model["Parallel"], model["ContextSize"]) = (1, 2, 512);
        });
        // Blocks enough for a search of some seconds: a cluster tells of its jobs once a second, and a search over six blocks was over before anybody had heard of its second step.
        new TinyModel { Seed = 4, Blocks = 14, Embedding = 64, FeedForward = 256, Weights = GgmlType.Q8_0 }.WriteTo(Path.Combine(machine.Folder, "tiny.gguf"));
        return machine;
    }

    private static string LeanFile(GatewayProcess machine, int number) => Path.Combine(machine.Folder, "state", "versions", GatewayProcess.Model, $"lean-{number}-finercut.gguf");

    private static async Task ChatAsync(GatewayProcess edge, int number)
    {
        var body = $$"""{"model":"{{GatewayProcess.Model}}","max_tokens":40,"temperature":0,"messages":[{"role":"user","content":"Tell me about the number {{number}}, and of {{number * 7}} as well."}]}""";
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await edge.Client.PostAsync("/v1/chat/completions", content);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync() + edge.Log);
    }

    private static async Task<string> OrderAsync(GatewayProcess edge)
    {
        var (status, job) = await edge.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/prune", Order);
        Assert.True(status == HttpStatusCode.Accepted, job.ToString());
        return job.GetProperty("id").GetString()!;
    }

    private static async Task<JsonElement> EndAsync(GatewayProcess edge, string id, Func<string> logs)
    {
        JsonElement job = default;
        await Eventually.BeAsync(async () => (job = await edge.GetAsync($"/admin/jobs/{id}")).GetProperty("has_ended").GetBoolean(), () => job + logs(), seconds: 180);
        return job;
    }
}
