using System.Text.Json;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using Microsoft.Extensions.Configuration;

namespace FinerCut.Tests.Configuration;

public class ConfigSchemaTests
{
    private static readonly string Root = FindRoot();

    [Fact]
    public void The_published_file_is_what_the_reader_asks_for()
    {
        var path = Path.Combine(Root, "docs", "appsettings.schema.json");
        if (Environment.GetEnvironmentVariable("WRITE_SCHEMA") is not null) File.WriteAllText(path, ConfigSchema.Text);
        Assert.Equal(ConfigSchema.Text, File.ReadAllText(path));
    }

    [Fact]
    public void Every_key_of_the_shipped_settings_and_no_other_is_described()
    {
        var schema = JsonElement.Parse(ConfigSchema.Text);
        Walk(JsonElement.Parse(File.ReadAllText(Path.Combine(Root, "appsettings.json"))), schema, "");
        var model = schema.GetProperty("properties").GetProperty("Models").GetProperty("additionalProperties");
        var parallel = model.GetProperty("properties").GetProperty("Parallel");
        Assert.Equal((1, 256, 4), (parallel.GetProperty("minimum").GetInt32(), parallel.GetProperty("maximum").GetInt32(), parallel.GetProperty("default").GetInt32()));
        Assert.False(model.GetProperty("additionalProperties").GetBoolean());
        Assert.Equal(["Direct", "Canary"], model.GetProperty("properties").GetProperty("Rollout").GetProperty("properties").GetProperty("Mode").GetProperty("enum").EnumerateArray().Select(word => word.GetString()));

        static void Walk(JsonElement settings, JsonElement node, string path)
        {
            foreach (var member in settings.EnumerateObject())
            {
                if (path.Length == 0 && member.Name == "Logging") continue;
                JsonElement found = default;
                var known = (node.TryGetProperty("properties", out var named) && named.TryGetProperty(member.Name, out found))
                    || (node.TryGetProperty("additionalProperties", out found) && found.ValueKind == JsonValueKind.Object);
                Assert.True(known, $"{path}:{member.Name} is not in the schema");
                if (member.Value.ValueKind == JsonValueKind.Object) Walk(member.Value, found, $"{path}:{member.Name}");
            }
        }
    }

    [Fact]
    public void A_diff_names_what_changed_hides_secrets_and_knows_what_can_take_effect()
    {
        var before = Of(("Forwarding:MaxBodyBytes", "1"), ("Admin:Key", "first"), ("Jobs:Threads", "1"));
        var after = Of(("Forwarding:MaxBodyBytes", "2"), ("Admin:Key", "second"), ("Models:m:Rollout:Mode", "Canary"), ("Listen:Port", "1"), ("Forwarding:ConnectTimeoutSeconds", "3"));
        var changes = ConfigDiff.Of(before, after);
        Assert.Equal(
            [
                new("Admin:Key", "(not shown)", "(not shown)", true), new("Forwarding:ConnectTimeoutSeconds", null, "3", true), new("Forwarding:MaxBodyBytes", "1", "2", false),
                new("Jobs:Threads", "1", null, false), new("Listen:Port", null, "1", true), new ConfigChange("Models:m:Rollout:Mode", null, "Canary", false),
            ],
            changes);
    }

    [Theory]
    [InlineData("Cluster:Secret")]
    [InlineData("Cluster:Redis")]
    [InlineData("Access:Postgres")]
    public void A_diff_says_that_a_secret_changed_and_not_what_it_is(string path) =>
        Assert.Equal(new ConfigChange(path, "(not shown)", "(not shown)", true), Assert.Single(ConfigDiff.Of(Of((path, "one")), Of((path, "two")))));

    private static IConfiguration Of(params (string Key, string Value)[] settings) =>
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(pair => KeyValuePair.Create(pair.Key, (string?)pair.Value))).Build();

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "FinerCut.Gateway.sln"))) folder = folder.Parent;
        return folder.FullName;
    }
}
