using CsCheck;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Redaction;

namespace FinerCut.Tests.Redaction;

public class RedactorTests
{
    private static readonly Redactor All = new(RedactionConfig.All);

    [Theory]
    [InlineData("write to jane.doe+x@mail.example.co.uk, please", "write to [email], please")]
    [InlineData("<ops@example.com>", "<[email]>")]
    [InlineData("jürgen@straße.de!", "[email]!")]
    [InlineData("a@b and user@localhost stay", "a@b and user@localhost stay")]
    [InlineData("call +49 30 1234567 now", "call [phone] now")]
    [InlineData("+1 (415) 555-0100", "[phone]")]
    [InlineData("+(49)301234567", "[phone]")]
    [InlineData("tel 0049 171 1234567.", "tel [phone].")]
    [InlineData("(415) 555-2671", "[phone]")]
    [InlineData("415-555-2671 2024", "[phone] 2024")]
    [InlineData("my number is 4155552671", "my number is [phone]")]
    [InlineData("(030) 1234567", "[phone]")]
    [InlineData("06 12 34 56 78", "[phone]")]
    [InlineData("22 33 44 55", "[phone]")]
    [InlineData("ring 555-0199", "ring [phone]")]
    [InlineData("card 4111 1111 1111 1111, thanks", "card [card], thanks")]
    [InlineData("4111111111111111", "[card]")]
    [InlineData("5500-0000-0000-0004 exp 12/26", "[card] exp 12/26")]
    [InlineData("4111 1111 1111 1111 986", "[card] 986")]
    [InlineData("4111 1111 1111 1111sk-abcdefgh12345678", "[card][key]")]
    [InlineData("378282246310005", "[card]")]
    [InlineData("6011 1111 1111 1117", "[card]")]
    [InlineData("sk-proj-abcdEFGH12345678ijkl", "[key]")]
    [InlineData("AWS AKIAIOSFODNN7EXAMPLE here", "AWS [key] here")]
    [InlineData("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[key]")]
    [InlineData("Authorization: Bearer abcdef0123456789==", "Authorization: [key]")]
    [InlineData("my password: hunter22!", "my [key]")]
    [InlineData("{\"api_key\": \"0123456789\"}", "{\"[key]\"}")]
    [InlineData("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[key]")]
    public void Takes_out(string text, string expected) => Assert.Equal(expected, All.Redact(text));

    [Theory]
    [InlineData("on 2024-01-15 at 09:30")]
    [InlineData("01.02.2024 12 Uhr")]
    [InlineData("at 192.168.100.200:8080")]
    [InlineData("version 10.0.3 of 2.3.0")]
    [InlineData("1 000 000 tokens, 3.14159265358979")]
    [InlineData("0.123456789")]
    [InlineData("4111 1111 1111 1112")]
    [InlineData("order 1234567890123")]
    [InlineData("1700000000 seconds")]
    [InlineData("sha 1a2b3c4d5e6f7a8b9c0d 12345678")]
    [InlineData("the token count is small; a secret: 42")]
    [InlineData("")]
    public void Leaves(string text) => Assert.Equal(text, All.Redact(text));

    [Fact]
    public void Knows_this_gateways_keys() => Assert.Equal("it is [key].", All.Redact($"it is {KeyText.Create()}."));

    [Fact]
    public void Takes_private_keys_whole() =>
        Assert.Equal("see [key] end", All.Redact("see -----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc/+==\n-----END RSA PRIVATE KEY----- end"));

    [Fact]
    public void Own_rules_name_the_gap_even_where_others_match_as_well()
    {
        var redactor = new Redactor(RedactionConfig.All with { Own = [new RedactionRule("staff", @"\w+@corp\.example"), new RedactionRule("ticket", @"TCK-\d+")] });
        Assert.Equal("[staff] opened [ticket]", redactor.Redact("ann@corp.example opened TCK-4711"));
    }

    [Fact]
    public void What_is_off_stays()
    {
        var redactor = new Redactor(new RedactionConfig(Email: false, Phone: true, Card: true, Key: true, []));
        Assert.Equal("a@example.com [phone]", redactor.Redact("a@example.com +4930123456"));
    }

    [Theory]
    [InlineData("bad name", "x", "expected a name")]
    [InlineData("x", "a*", "empty text")]
    [InlineData("x", "(?<=a)b", "look-around")]
    [InlineData("x", "(", "regular expression")]
    public void Rules_are_checked_at_the_door(string name, string pattern, string says)
    {
        Assert.Contains(says, Redactor.Check(new RedactionRule(name, pattern)), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new Redactor(RedactionConfig.All with { Own = [new RedactionRule(name, pattern)] }));
    }

    [Fact]
    public void No_text_makes_it_slow()
    {
        // Quadratic rules would need hours for these; the bound only ends the test then.
        var limit = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        foreach (var piece in new[] { "a", "1", "1-", "a.", "+", "eyJa.", "token:", "0 ", "4111 ", "password=", "-----BEGIN " })
        {
            All.Redact(string.Concat(Enumerable.Repeat(piece, 400_000 / piece.Length)));
            Assert.False(limit.IsCancellationRequested, piece);
        }
    }

    [Fact]
    public void Redacting_twice_changes_nothing_more() =>
        Gen.OneOf(Gen.Const("jane@example.com"), Gen.Const("+49 30 1234567"), Gen.Const("4111 1111 1111 1111"), Gen.Const("sk-abcdefgh12345678"), Gen.Const(" "),
                Gen.Const(", "), Gen.String[Gen.Char["ab:=@.+-0123456789 \"'[]"], 0, 12])
            .List[0, 12].Select(string.Concat)
            .Sample(text =>
            {
                var once = All.Redact(text);
                Assert.Equal(once, All.Redact(once));
            }, iter: 2000);

    [Fact]
    public void Luhn_holds_for_numbers_with_their_check_digit() =>
        Gen.Int[0, 9].Array[12, 18].Sample(digits =>
        {
            var body = string.Concat(digits);
            var valid = Enumerable.Range(0, 10).Count(check => CardNumbers.Luhn(body + check));
            Assert.Equal(1, valid);
        });
}
