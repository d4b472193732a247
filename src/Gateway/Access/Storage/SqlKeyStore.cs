using System.Text.Json;
using System.Text.Json.Serialization;
using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Gateway.Access.Storage;

/// <summary>Keys as JSON documents in one table. Holds hashes, never keys.</summary>
public sealed class SqlKeyStore(IAccessDatabase database) : IKeyStore
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public async Task<IReadOnlyList<AccessKey>> ReadAsync(CancellationToken cancellationToken) =>
        await database.TransactAsync(
            (transaction, token) => transaction.ReadAsync("select id, document from access_keys", row => Parse(row.GetString(0), row.GetString(1)), token),
            cancellationToken).ConfigureAwait(false);

    public Task SaveAsync(AccessKey key, CancellationToken cancellationToken) => database.TransactAsync(
        (transaction, token) => transaction.RunAsync(
            "insert into access_keys (id, document) values (@p0, @p1) on conflict (id) do update set document = excluded.document",
            token, key.Id, JsonSerializer.Serialize(key, Options)),
        cancellationToken);

    /// <summary>Its counts go with it.</summary>
    public Task<bool> DeleteAsync(string id, CancellationToken cancellationToken) => database.TransactAsync(
        async (transaction, token) =>
        {
            await transaction.RunAsync("delete from quota_states where key_id = @p0", token, id).ConfigureAwait(false);
            return await transaction.RunAsync("delete from access_keys where id = @p0", token, id).ConfigureAwait(false) > 0;
        },
        cancellationToken);

    private static AccessKey Parse(string id, string document)
    {
        try
        {
            return JsonSerializer.Deserialize<AccessKey>(document, Options) ?? throw new JsonException("null");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"access_keys, id = {id}: expected the JSON of a key; restore the row or delete it.", exception);
        }
    }
}
