using System.Text;
using FinerCut.Gateway.Routing;

namespace FinerCut.Tests.Routing;

public class DealingTests
{
    private const string Opening = """{"role":"system","content":"be brief"},{"role":"user","content":"hello"}""";

    [Fact]
    public void Turns_of_a_conversation_share_a_ticket_and_others_do_not()
    {
        var first = Ticket($$"""{"model":"m","messages":[{{Opening}}]}""");
        Assert.Equal(first, Ticket($$"""{"messages":[{{Opening}},{"role":"assistant","content":"hi"},{"role":"user","content":"and?"}],"model":"m","stream":true}"""));
        Assert.NotEqual(first, Ticket($$"""{"messages":[{{Opening}}]}""", sender: "other"));
        Assert.NotEqual(first, Ticket($$"""{"messages":[{{Opening}}]}""", salt: "other"));
        Assert.NotEqual(first, Ticket("""{"messages":[{"role":"user","content":[{"type":"text","text":"hello"}]}]}"""));
        Assert.Equal(Ticket("""{"prompt":"x","n":1}"""), Ticket("""{"n":2,"prompt":"x"}"""));
        Assert.NotEqual(Ticket("""{"input":"x"}"""), Ticket("""{"input":"y"}"""));
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"\ud800","content":"hello"}]}""")]
    [InlineData("""{"\ud800":1,"messages":[]}""")]
    public void Half_a_character_pair_is_dealt_like_anything_else(string body) => Assert.InRange(Ticket(body), 0, 1);

    [Fact]
    public void Tickets_are_uniform()
    {
        var tickets = Enumerable.Range(0, 4000).Select(i => Ticket($$"""{"prompt":"{{i}}"}""")).ToList();
        for (var i = 1; i < 10; i++) Assert.InRange(tickets.Count(ticket => ticket < i / 10.0) / 4000.0, (i / 10.0) - 0.04, (i / 10.0) + 0.04);
    }

    private static double Ticket(string body, string sender = "key", string salt = "salt") => Dealing.Ticket(salt, sender, Encoding.UTF8.GetBytes(body));
}
