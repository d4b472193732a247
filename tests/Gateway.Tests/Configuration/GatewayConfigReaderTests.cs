using System.Text;
using FinerCut.Gateway.Configuration;
using FinerCut.Words;
using Microsoft.Extensions.Configuration;

namespace FinerCut.Tests.Configuration;

public class GatewayConfigReaderTests
{
    [Fact]
    public void All_errors_are_told_at_once_with_path_value_and_what_is_allowed()
    {
        var errors = Errors("""
            {
              "Listn": { "Port": 1 },
              "Listen": { "Port": 70000, "Adress": "::1" },
              "Admin": { "Key": "short" },
              "Forwarding": { "IdleTimeoutSeconds": "soon" },
              "Worker": { "Path": "/no/such/worker", "Restart": { "BreakerDeath": 2 } },
              "Models": { "a b": { "Path": "/no/such.gguf", "Recording": { "Enabled": "perhaps" }, "Sha256": "12" } }
            }
            """);
        string[] expected =
        [
            "Listn: unknown key; did you mean Listen?",
            "Listen:Port = \"70000\": expected a whole number from 0 to 65535",
            "Listen:Adress = \"::1\": unknown key; did you mean Listen:Address?",
            "Admin:Key: expected at least 16 characters (the value is not shown)",
            "Forwarding:IdleTimeoutSeconds = \"soon\": expected seconds from 0.1 to 86400",
            "Worker:Path = \"/no/such/worker\": the Worker program is not at /no/such/worker",
            "Worker:Restart:BreakerDeath = \"2\": unknown key; did you mean Worker:Restart:BreakerDeaths?",
            "Models:a b: expected an id of letters, digits, '.', '_' and '-', at most 64, starting with a letter or digit",
            "Models:a b:Path = \"/no/such.gguf\": there is no file at /no/such.gguf",
            "Models:a b:Sha256 = \"12\": expected 64 hexadecimal digits",
            "Models:a b:Recording:Enabled = \"perhaps\": expected true or false",
        ];
        Assert.Equal(expected.Order(StringComparer.Ordinal), errors.Select(error => error.ToString()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_section_where_a_value_belongs_is_an_error_and_the_other_way_round()
    {
        Assert.Contains(Errors("""{ "State": { "Path": { "x": 1 } } }"""), error => error.Path == "State:Path");
        Assert.Contains(Errors("""{ "Listen": "127.0.0.1:80" }"""), error => error.Path == "Listen");
    }

    [Fact]
    public void The_embedded_model_stands_in_where_none_is_configured()
    {
        var worker = typeof(GatewayConfigReaderTests).Assembly.Location;
        var config = GatewayConfigReader.Read(Settings($$"""{ "Worker": { "Path": {{System.Text.Json.JsonSerializer.Serialize(worker)}} } }"""), "/");
        Assert.Equal((GatewayConfigReader.EmbeddedId, GatewayConfigReader.EmbeddedSha256), (config.Models[0].Id, config.Models[0].Sha256));
        Assert.True(File.Exists(config.Models[0].Path));
        Assert.False(config.Models[0].Recording.Enabled);
        Assert.Equal(8080, config.Listen.Port);
    }

    [Theory]
    [InlineData("listen", "Listen")]
    [InlineData("Lissen", "Listen")]
    [InlineData("Frowarding", "Forwarding")]
    [InlineData("Xylophone", null)]
    public void The_nearest_name_is_found(string wrong, string? right) =>
        Assert.Equal(right, NearestName.To(wrong, ["Listen", "Forwarding", "Models"]));

    private static IReadOnlyList<ConfigError> Errors(string json) =>
        Assert.Throws<ConfigException>(() => GatewayConfigReader.Read(Settings(json), "/")).Errors;

    private static IConfiguration Settings(string json) => new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json))).Build();
}
