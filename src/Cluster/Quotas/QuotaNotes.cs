using System.Text.Json;
using System.Text.Json.Serialization;
using FinerCut.Gateway.Access.Quotas;

namespace FinerCut.Cluster.Quotas;

/// <summary>Decisions and reservations as they travel: JSON, so that an older program reads what a newer one writes.</summary>
internal static class QuotaNotes
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static string Write(Reservation reservation) => JsonSerializer.Serialize(reservation, Options);

    public static Reservation ReadReservation(string json) => JsonSerializer.Deserialize<Reservation>(json, Options)!;

    public static string Write(QuotaDecision decision) => JsonSerializer.Serialize(decision switch
    {
        QuotaAdmitted admitted => new Note(admitted.View, admitted.Reservation, null),
        QuotaRefused refused => new Note(refused.View, null, new Refusal(refused.Kind, refused.Limit, refused.Asked, refused.RetryAfter)),
        _ => throw new ArgumentOutOfRangeException(nameof(decision)),
    }, Options);

    public static QuotaDecision ReadDecision(string json)
    {
        var note = JsonSerializer.Deserialize<Note>(json, Options)!;
        return note.Reservation is { } reservation
            ? new QuotaAdmitted(reservation, note.View)
            : new QuotaRefused(note.Refusal!.Kind, note.Refusal.Limit, note.Refusal.Asked, note.Refusal.RetryAfter, note.View);
    }

    private sealed record Note(QuotaView View, Reservation? Reservation, Refusal? Refusal);

    private sealed record Refusal(QuotaKind Kind, long Limit, long Asked, TimeSpan? RetryAfter);
}
