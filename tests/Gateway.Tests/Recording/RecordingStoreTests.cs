using System.Security.Cryptography;
using System.Text;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Recording;
using Microsoft.Extensions.Time.Testing;

namespace FinerCut.Tests.Recording;

public class RecordingStoreTests
{
    private static readonly RecordingConfig Bounds = new()
    {
        Enabled = true, MaxConversations = 50, MaxBytes = 1 << 20, MaxConversationBytes = 10_000, TimeToLive = TimeSpan.FromHours(1), Seed = 7,
    };

    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));

    [Fact]
    public void Every_conversation_is_kept_with_the_same_chance()
    {
        // 40 runs of 500 offers for 50 places: each tenth of the offers should hold a tenth of what is kept.
        var kept = new int[10];
        for (var seed = 1; seed <= 40; seed++)
        {
            using var store = Store();
            for (var i = 0; i < 500; i++) store.Offer("m", Talk($"{i}"), "key-1", Bounds with { Seed = seed });
            foreach (var conversation in store.Draw("m", 1, 1000)) kept[int.Parse(conversation.Prompt!) / 50]++;
        }

        Assert.Equal(2000, kept.Sum());
        // Standard deviation of a count of 200 is 13: five of them, one chance in a million to fail, and the seeds are fixed.
        Assert.All(kept, count => Assert.InRange(count, 135, 265));
    }

    [Fact]
    public void Bounds_hold_at_every_moment()
    {
        using var store = Store();
        for (var i = 0; i < 300; i++)
        {
            store.Offer("m", Talk($"{i}", answerBytes: 100 + (i % 7 * 100)), "key-1", Bounds with { MaxBytes = 8000 });
            var counts = store.Count("m");
            Assert.True(counts is { Conversations: <= 50, Bytes: <= 8000 }, counts.ToString());
        }

        Assert.Equal(300, store.Count("m").Seen);
        _time.Advance(TimeSpan.FromHours(2));
        store.Expire("m", Bounds);
        Assert.Equal(0, store.Count("m").Conversations);
    }

    [Fact]
    public void One_models_traffic_is_no_other_models()
    {
        using var store = Store();
        store.Offer("a", Talk("x"), "key-1", Bounds);
        store.Offer("b", Talk("y"), "key-1", Bounds);
        Assert.Equal(1, store.Purge("a"));
        Assert.Empty(store.Draw("a", 1, 10));
        Assert.Equal("y", Assert.Single(store.Draw("b", 1, 10)).Prompt);
    }

    [Fact]
    public void Equal_prompts_are_drawn_once_and_the_seed_decides_the_order()
    {
        using var store = Store();
        for (var i = 0; i < 40; i++) store.Offer("m", Talk($"{i % 20}", answer: $"answer {i}"), "key-1", Bounds);
        var drawn = store.Draw("m", 3, 100).Select(conversation => conversation.Id).ToList();
        Assert.Equal(20, drawn.Distinct().Count());
        Assert.Equal(20, drawn.Count);
        Assert.Equal(drawn, store.Draw("m", 3, 100).Select(conversation => conversation.Id));
        Assert.NotEqual(drawn, store.Draw("m", 4, 100).Select(conversation => conversation.Id));
        Assert.Equal(drawn.Take(5), store.Draw("m", 3, 5).Select(conversation => conversation.Id));
    }

    private static Conversation Talk(string prompt, string answer = "a", int answerBytes = 0) =>
        new(SHA256.HashData(Encoding.UTF8.GetBytes(prompt)), null, prompt, answerBytes > 0 ? new string('a', answerBytes) : answer);

    [Fact]
    public void Purge_and_export_go_by_key_time_and_conversation_and_the_audit_tells()
    {
        using var store = Store();
        for (var i = 0; i < 6; i++)
        {
            store.Offer("m", Talk($"{i}"), i % 2 == 0 ? "even" : "odd", Bounds);
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(["1", "3", "5"], Exported(new RecordingSelection(Key: "odd")));
        Assert.Equal(["2", "3"], Exported(new RecordingSelection(From: _time.GetUtcNow().AddMinutes(-4), Before: _time.GetUtcNow().AddMinutes(-2))));
        var four = store.Export("m", new RecordingSelection(Key: "even")).Last();
        Assert.Equal(["4"], Exported(new RecordingSelection(Conversation: four.Id)));
        Assert.Equal(1, store.Purge("m", new RecordingSelection(Conversation: four.Id)));
        Assert.Equal(3, store.Purge("m", new RecordingSelection(Key: "odd")));
        Assert.Equal(["0", "2"], Exported(new RecordingSelection()));
        Assert.Equal(0, store.Purge("other"));
        var uses = store.Uses("m");
        Assert.Equal(["export", "export", "export", "export", "purge", "purge", "export"], uses.Select(use => use.What));
        Assert.Equal([four.Id], uses[4].Conversations);

        IEnumerable<string?> Exported(RecordingSelection selection) => store.Export("m", selection).Select(conversation => conversation.Prompt);
    }

    [Fact]
    public void Without_its_keys_the_file_tells_nothing()
    {
        var folder = Directory.CreateTempSubdirectory("finercut-recordings-").FullName;
        using (var state = FinerCut.Gateway.Storage.StateFolder.Open(Path.Combine(folder, "state")))
        {
            var database = RecordingStore.Open(state);
            using (var store = new RecordingStore(database, RecordingVault.Open(database, Path.Combine(folder, "keys")), _time))
            {
                for (var i = 0; i < 20; i++) store.Offer("m", Talk("xyzzy-canary"), "key-1", Bounds);
                Assert.Equal("xyzzy-canary", Assert.Single(store.Draw("m", 1, 10)).Prompt);
            }

            var hash = SHA256.HashData(Encoding.UTF8.GetBytes("xyzzy-canary"));
            foreach (var file in Directory.EnumerateFiles(state.FullPath, "recordings*"))
            {
                var bytes = File.ReadAllBytes(file);
                Assert.Equal(-1, bytes.AsSpan().IndexOf("xyzzy"u8));
                Assert.Equal(-1, bytes.AsSpan().IndexOf(hash));
            }

            database = RecordingStore.Open(state);
            Assert.Throws<RecordingKeyException>(() => RecordingVault.Open(database, Path.Combine(folder, "other-keys")));
            using var again = new RecordingStore(database, RecordingVault.Open(database, Path.Combine(folder, "keys")), _time);
            Assert.Equal("xyzzy-canary", Assert.Single(again.Draw("m", 1, 10)).Prompt);
        }

        Directory.Delete(folder, recursive: true);
    }

    private RecordingStore Store()
    {
        var database = RecordingStore.InMemory();
        return new RecordingStore(database, RecordingVault.Open(database, new Microsoft.AspNetCore.DataProtection.EphemeralDataProtectionProvider()), _time);
    }
}
