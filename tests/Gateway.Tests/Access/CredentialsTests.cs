using System.Net;
using FinerCut.Gateway.Access;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Tests.Access;

public class CredentialsTests
{
    [Theory]
    [InlineData("Bearer abc", null, "abc")]
    [InlineData("bearer  abc ", null, "abc")]
    [InlineData(null, "abc", "abc")]
    [InlineData("Bearer abc", "abc", "abc")]
    [InlineData("Bearer ", "abc", "abc")]
    [InlineData(null, null, null)]
    [InlineData("", "", null)]
    public void One_key_is_read_from_either_header(string? authorization, string? apiKey, string? key) =>
        Assert.Equal(new Credentials(key, Wrong: false), Credentials.Of(Headers(("Authorization", authorization), ("x-api-key", apiKey))));

    [Fact]
    public void Contradicting_and_repeated_headers_are_refused()
    {
        Assert.True(Credentials.Of(Headers(("Authorization", "Bearer a"), ("x-api-key", "b"))).Wrong);
        Assert.True(Credentials.Of(Headers(("Authorization", "Basic dXNlcjpwYXNz"))).Wrong);
        Assert.True(Credentials.Of(new HeaderDictionary { ["Authorization"] = new(["Bearer a", "Bearer b"]) }).Wrong);
        Assert.True(Credentials.Of(new HeaderDictionary { ["x-api-key"] = new(["a", "b"]) }).Wrong);
    }

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1", null, null, true)]
    [InlineData("::1", "localhost", null, null, true)]
    [InlineData("127.0.0.1", "[::1]", "http://localhost:3000", null, true)]
    [InlineData("192.168.0.7", "localhost", null, null, false)]
    [InlineData("127.0.0.1", "evil.example", null, null, false)]
    [InlineData("127.0.0.1", "127.0.0.1.evil.example", null, null, false)]
    [InlineData("127.0.0.1", "localhost", "https://evil.example", null, false)]
    [InlineData("127.0.0.1", "localhost", "null", null, false)]
    [InlineData("127.0.0.1", "localhost", null, "X-Forwarded-For", false)]
    [InlineData("127.0.0.1", "localhost", null, "Forwarded", false)]
    [InlineData("127.0.0.1", "localhost", null, "Via", false)]
    [InlineData(null, "localhost", null, null, false)]
    public void Only_programs_of_this_machine_are_local(string? remote, string host, string? origin, string? header, bool local)
    {
        var headers = Headers(("Origin", origin), (header ?? "Accept", "1"));
        Assert.Equal(local, Credentials.IsLocal(remote is null ? null : IPAddress.Parse(remote), headers, host));
    }

    private static HeaderDictionary Headers(params (string Name, string? Value)[] headers)
    {
        var dictionary = new HeaderDictionary();
        foreach (var (name, value) in headers)
        {
            if (value is not null) dictionary[name] = value;
        }

        return dictionary;
    }
}
