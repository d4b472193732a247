using System.Security.Cryptography;
using System.Text;

namespace FinerCut.Calibration;

/// <summary>
/// Deals recorded conversations into a calibration and a held-out set: whole conversations, each prompt once. They are dealt stratum by stratum (route
/// and length), so that both sets, and every beginning of each, have about the same mixture. Same conversations and seed, same sets. Pure.
/// </summary>
public static class TrafficDeal
{
    /// <summary>Strata of length: quarters of the conversations by their letters.</summary>
    private const int Lengths = 4;

    /// <param name="conversations">In any order; of those with the same prompt the first is taken.</param>
    /// <param name="heldOutShare">Share of the conversations that is held out, in (0, 1).</param>
    public static (IReadOnlyList<RecordedConversation> Calibration, IReadOnlyList<RecordedConversation> HeldOut) Deal(
        IEnumerable<RecordedConversation> conversations, int seed, double heldOutShare = 0.5)
    {
        ArgumentNullException.ThrowIfNull(conversations);
        if (heldOutShare is not (> 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(heldOutShare), heldOutShare, "Expected a share in (0, 1).");
        List<(double, RecordedConversation)> calibration = [], heldOut = [];
        var (dealt, held) = (0, 0);
        foreach (var stratum in Strata([.. conversations.DistinctBy(PromptOf)]))
        {
            // Within the stratum, so that its share is the same in both sets; what is rounded away here is made good in the next.
            RecordedConversation[] shuffled = [.. stratum.OrderBy(conversation => Draw(seed, conversation.Id), StringComparer.Ordinal)];
            dealt += shuffled.Length;
            var share = Math.Clamp((int)Math.Round(heldOutShare * dealt) - held, 0, shuffled.Length);
            held += share;
            var offset = Convert.ToInt32(Draw(seed, $"{stratum.Key}")[..6], 16) / (double)(1 << 24);
            heldOut.AddRange(Spread(shuffled[..share], offset));
            calibration.AddRange(Spread(shuffled[share..], offset));
        }

        return (InOrder(calibration), InOrder(heldOut));
    }

    private static IEnumerable<IGrouping<(string Route, int Length), RecordedConversation>> Strata(IReadOnlyList<RecordedConversation> conversations) => conversations
        .OrderBy(LettersOf).ThenBy(conversation => conversation.Id, StringComparer.Ordinal)
        .Select((conversation, rank) => (Conversation: conversation, Stratum: (RouteOf(conversation), rank * Lengths / conversations.Count)))
        .GroupBy(item => item.Stratum, item => item.Conversation);

    /// <summary>Places in [0, 1) at equal distances, so that any beginning of a set holds the stratum's share of it.</summary>
    private static IEnumerable<(double, RecordedConversation)> Spread(RecordedConversation[] stratum, double offset) =>
        stratum.Select((conversation, at) => ((at + offset) / stratum.Length, conversation));

    private static IReadOnlyList<RecordedConversation> InOrder(List<(double Place, RecordedConversation Conversation)> placed) =>
        [.. placed.OrderBy(item => item.Place).ThenBy(item => item.Conversation.Id, StringComparer.Ordinal).Select(item => item.Conversation)];

    private static string Draw(int seed, string id) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{seed} {id}")));

    private static string RouteOf(RecordedConversation conversation) => conversation.Route ?? (conversation.Messages is null ? "completions" : "chat");

    private static string PromptOf(RecordedConversation conversation) => conversation.Messages is { } messages ? "m" + messages.GetRawText() : "p" + conversation.Prompt;

    private static int LettersOf(RecordedConversation conversation) => PromptOf(conversation).Length + conversation.Answer.Length;
}
