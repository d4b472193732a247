using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Recording;
using FinerCut.Gateway.Redaction;
using Microsoft.Extensions.Configuration;

namespace FinerCut.Tests.Redaction;

public class ConversationRedactionTests
{
    private static readonly Redactor All = new(RedactionConfig.All);

    [Fact]
    public void Every_text_of_the_messages_is_redacted_and_the_rest_stays()
    {
        var before = new Conversation([1], """[{"role":"user","content":"mail a@b.example, \"quoted\""},{"role":"assistant","content":[{"type":"text","text":"+49 30 1234567"}],"n":415555}]""", null, "card 4111111111111111");
        var after = ConversationRedaction.Apply(All, before);
        Assert.Equal("""[{"role":"user","content":"mail [email], \u0022quoted\u0022"},{"role":"assistant","content":[{"type":"text","text":"[phone]"}],"n":415555}]""", after.Messages);
        Assert.Equal("card [card]", after.Answer);
    }

    [Fact]
    public void Prompts_that_differ_in_what_was_taken_out_become_equal()
    {
        var one = ConversationRedaction.Apply(All, new Conversation([1], null, "write to a@b.example", "x"));
        var two = ConversationRedaction.Apply(All, new Conversation([2], null, "write to c@d.example", "x"));
        Assert.Equal(["write to [email]", "write to [email]"], new[] { one.Prompt, two.Prompt });
        Assert.Equal(one.PromptHash, two.PromptHash);
    }

    [Fact]
    public void The_settings_name_own_rules_and_wrong_ones_are_refused_with_their_path()
    {
        var settings = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Worker:Path"] = Environment.ProcessPath,
            ["Models:m:Path"] = Environment.ProcessPath,
            ["Redaction:Phone"] = "false",
            ["Redaction:Rules:ticket:Pattern"] = @"TCK-\d+",
        }).Build();
        var config = GatewayConfigReader.Read(settings, AppContext.BaseDirectory);
        Assert.Equal("[ticket] +4930123456", new Redactor(config.Redaction).Redact("TCK-1 +4930123456"));

        settings["Redaction:Rules:slow:Pattern"] = "(a+)+(?=b)";
        var refused = Assert.Throws<ConfigException>(() => GatewayConfigReader.Read(settings, AppContext.BaseDirectory));
        Assert.Contains(refused.Errors, error => error.Path == "Redaction:Rules:slow:Pattern" && error.Expected.Contains("look-around", StringComparison.Ordinal));
    }
}
