using FinerCut.Calibration;
using FinerCut.Pruning.Texts;

namespace FinerCut.Pruning.Elimination;

/// <summary>
/// What the surgeon looks at: traffic and as much text in general, so that masks are no worse on text unlike the traffic than they need be (docs/adr/0014).
/// </summary>
/// <param name="Moments">All tokens of both: second moments know the more directions the more tokens they have seen.</param>
/// <param name="Scored">Half of each: sensitivities cost what they cost with traffic alone.</param>
internal sealed record SurgeonTexts(CalibrationSet Moments, CalibrationSet Scored)
{
    /// <param name="general">More than is needed is left out.</param>
    public static SurgeonTexts Of(CalibrationSet traffic, CalibrationSet general)
    {
        var count = traffic.TokenCount;
        var moments = TextMixture.Spread(traffic.Name, traffic.Sequences, TextMixture.First(general.Sequences, count));
        return new SurgeonTexts(moments, moments with { Sequences = TextMixture.First(moments.Sequences, count) });
    }
}
