using CsCheck;
using FinerCut.Gateway.Access.Keys;
using Microsoft.Extensions.Time.Testing;

namespace FinerCut.Tests.Access;

public class KeyTests
{
    [Fact]
    public void A_key_is_found_by_its_id_and_proved_by_its_hash()
    {
        var text = KeyText.Create();
        Assert.Equal(KeyText.Length, text.Length);
        Assert.StartsWith("fc-", text, StringComparison.Ordinal);
        Assert.True(KeyText.TryReadId(text, out var id));
        var key = Some.Key(id) with { Hash = KeyText.Hash(text) };
        Assert.True(KeyText.Matches(text, key));
        Assert.False(KeyText.Matches(text, null));
        Assert.False(KeyText.Matches(KeyText.Create(), key));
        Assert.DoesNotContain(text[^43..], key.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_differ() => Assert.Equal(1000, Enumerable.Range(0, 1000).Select(_ => KeyText.Create()).Distinct().Count());

    [Fact]
    public void One_changed_letter_is_refused()
    {
        var text = KeyText.Create();
        KeyText.TryReadId(text, out var id);
        var key = Some.Key(id!) with { Hash = KeyText.Hash(text) };
        Gen.Select(Gen.Int[0, text.Length - 1], Gen.Char).Where((at, letter) => text[at] != letter).Sample((at, letter) =>
        {
            var other = text[..at] + letter + text[(at + 1)..];
            Assert.False(KeyText.Matches(other, key));
        });
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("sk-something")]
    [InlineData("fc-0123456789abcdeF-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("fc-0123456789abcdef_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("fc-0123456789abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'")]
    [InlineData("fc-0123456789abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public void Other_texts_are_no_keys(string? text) => Assert.False(KeyText.TryReadId(text, out _));

    [Fact]
    public async Task Expired_disabled_deleted_and_unknown_keys_are_not_found()
    {
        var clock = new FakeTimeProvider();
        var store = new MemoryKeyStore();
        using var ring = new KeyRing(store, clock);
        var made = await ring.CreateAsync((id, hash, at) => Some.Key(id) with { Hash = hash, CreatedAt = at, ExpiresAt = at.AddHours(1) }, default);
        Assert.Equal(made.Key, await ring.FindAsync(made.Text, default));
        Assert.Null(await ring.FindAsync(KeyText.Create(), default));

        clock.Advance(TimeSpan.FromHours(1));
        Assert.Null(await ring.FindAsync(made.Text, default));
        await ring.ChangeAsync(made.Key.Id, key => key with { ExpiresAt = null }, default);
        Assert.NotNull(await ring.FindAsync(made.Text, default));
        await ring.ChangeAsync(made.Key.Id, key => key with { Disabled = true }, default);
        Assert.Null(await ring.FindAsync(made.Text, default));
        await ring.ChangeAsync(made.Key.Id, key => key with { Disabled = false, Hash = "00", Id = "other" }, default);
        Assert.NotNull(await ring.FindAsync(made.Text, default));
        Assert.True(await ring.DeleteAsync(made.Key.Id, default));
        Assert.False(await ring.DeleteAsync(made.Key.Id, default));
        Assert.Null(await ring.FindAsync(made.Text, default));
        Assert.Null(await ring.ChangeAsync(made.Key.Id, key => key, default));
    }

    [Fact]
    public async Task A_key_of_another_gateway_is_found_and_guessing_does_not_hammer_the_store()
    {
        var clock = new FakeTimeProvider();
        var store = new MemoryKeyStore();
        using var here = new KeyRing(store, clock);
        using var there = new KeyRing(store, clock);
        await here.RefreshAsync(default);
        var made = await there.CreateAsync((id, hash, at) => Some.Key(id) with { Hash = hash, CreatedAt = at }, default);
        // Its first requests come together: all wait for one look.
        var before = store.Reads;
        var held = new TaskCompletionSource();
        store.Held = held.Task;
        var found = Enumerable.Range(0, 30).Select(_ => here.FindAsync(made.Text, default).AsTask()).ToArray();
        held.SetResult();
        Assert.All(await Task.WhenAll(found), Assert.NotNull);
        Assert.Equal(before + 1, store.Reads);

        var later = await there.CreateAsync((id, hash, at) => Some.Key(id) with { Hash = hash, CreatedAt = at }, default);
        Assert.Null(await here.FindAsync(later.Text, default));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.NotNull(await here.FindAsync(later.Text, default));
        var reads = store.Reads;
        for (var i = 0; i < 100; i++) await here.FindAsync(KeyText.Create(), default);
        Assert.Equal(reads, store.Reads);
    }
}
