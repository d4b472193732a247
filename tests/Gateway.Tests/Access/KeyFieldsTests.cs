using System.Text.Json;
using FinerCut.Gateway.Access.Administration;
using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Tests.Access;

public class KeyFieldsTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Every_member_is_read()
    {
        var (key, errors) = Apply("""
            {"name":"app","expires_at":"2027-01-01T00:00:00+02:00","disabled":true,"recording":true,"weight":5,"priority":"high","scopes":["chat","metrics"],
             "models":["a*"],"limits":{"requests_per_minute":1,"tokens_per_minute":2,"concurrency":3,"tokens_per_day":4}}
            """);
        Assert.Empty(errors);
        Assert.Equal(Some.Key("id") with
        {
            Name = "app",
            ExpiresAt = new DateTimeOffset(2026, 12, 31, 22, 0, 0, TimeSpan.Zero),
            Disabled = true,
            Recording = true,
            Weight = 5,
            Priority = PriorityClass.High,
            Scopes = new KeyScopes(Grants.Chat | Grants.Metrics, ["a*"]),
            Limits = new KeyLimits(1, 2, 3, 4),
        }, key);
    }

    [Fact]
    public void What_is_absent_stays_and_null_clears()
    {
        var before = Some.Key("id") with { ExpiresAt = Now.AddDays(1), Limits = new KeyLimits(1, 2, 3, 4) };
        Assert.Equal(before with { Weight = 2 }, Apply("""{"weight":2}""", before).Key);
        Assert.Equal(before with { ExpiresAt = null, Limits = new KeyLimits(1, null, 3, 9) }, Apply("""{"expires_at":null,"limits":{"tokens_per_minute":null,"tokens_per_day":9}}""", before).Key);
        Assert.Equal(KeyLimits.None, Apply("""{"limits":null}""", before).Key!.Limits);
    }

    [Theory]
    [InlineData("""[]""", "JSON object")]
    [InlineData("""{"colour":1}""", "colour: unknown member")]
    [InlineData("""{"id":"x"}""", "id: unknown member")]
    [InlineData("""{"hash":"x"}""", "hash: unknown member")]
    [InlineData("""{"name":""}""", "name: expected")]
    [InlineData("""{"name":"a\u0007b"}""", "name: expected")]
    [InlineData("""{"expires_at":"2020-01-01T00:00:00Z"}""", "expires_at: expected")]
    [InlineData("""{"expires_at":5}""", "expires_at: expected")]
    [InlineData("""{"disabled":"yes"}""", "disabled: expected true or false")]
    [InlineData("""{"weight":0}""", "weight: expected a whole number from 1 to 1000")]
    [InlineData("""{"weight":null}""", "weight: expected")]
    [InlineData("""{"priority":"urgent"}""", "priority: expected low, normal or high")]
    [InlineData("""{"scopes":["chat","root"]}""", "\"root\" is none of")]
    [InlineData("""{"scopes":["1023"]}""", "is none of")]
    [InlineData("""{"scopes":"chat"}""", "scopes: expected an array")]
    [InlineData("""{"models":[1]}""", "models: expected an array")]
    [InlineData("""{"limits":{"requests_per_minute":-1}}""", "limits.requests_per_minute: expected")]
    [InlineData("""{"limits":{"concurrency":1.5}}""", "limits.concurrency: expected")]
    [InlineData("""{"limits":{"rpm":1}}""", "limits.rpm: unknown member")]
    [InlineData("""{"limits":7}""", "limits: expected an object")]
    public void What_is_wrong_is_said(string body, string says)
    {
        var (key, errors) = Apply(body);
        Assert.Null(key);
        Assert.Contains(says, Assert.Single(errors), StringComparison.Ordinal);
    }

    [Fact]
    public void All_errors_are_said_at_once() => Assert.Equal(3, Apply("""{"weight":0,"priority":1,"colour":2}""").Errors.Count);

    [Fact]
    public void A_key_needs_a_name()
    {
        var (_, errors) = KeyFields.Apply(JsonDocument.Parse("{}").RootElement, Some.Key("id") with { Name = "" }, Now);
        Assert.StartsWith("name:", Assert.Single(errors), StringComparison.Ordinal);
    }

    private static (AccessKey? Key, IReadOnlyList<string> Errors) Apply(string body, AccessKey? before = null) =>
        KeyFields.Apply(JsonDocument.Parse(body).RootElement, before ?? Some.Key("id"), Now);
}
