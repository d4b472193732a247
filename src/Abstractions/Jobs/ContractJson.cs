using System.Text.Json;
using System.Text.Json.Serialization;
using FinerCut.Calibration;
using FinerCut.Masks;

namespace FinerCut.Jobs;

/// <summary>
/// JSON of everything that crosses a process border: snake case, enums as snake-case words, nulls left out, unknown members refused.
/// Optional members of the contracts have setters, not init accessors: the serialiser's generated code would give those that are left out
/// the type's default instead of the contract's. Nobody sets them after construction.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UseStringEnumConverter = false,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    // A gate's figure may be no number (nothing to compare): it is said, not hidden.
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    Converters =
    [
        typeof(SnakeCaseEnum<SearchKind>), typeof(SnakeCaseEnum<DistanceKind>), typeof(SnakeCaseEnum<HealingKind>), typeof(SnakeCaseEnum<PrunePhase>), typeof(SnakeCaseEnum<PruneOutcome>),
        typeof(SnakeCaseEnum<PruneGrain>), typeof(SnakeCaseEnum<ChannelOrder>), typeof(SnakeCaseEnum<SublayerKind>), typeof(SnakeCaseEnum<DistanceTokens>),
    ])]
[JsonSerializable(typeof(PruneRequest))]
[JsonSerializable(typeof(PruneBudget))]
[JsonSerializable(typeof(PruneResult))]
[JsonSerializable(typeof(PruneLine))]
[JsonSerializable(typeof(ServeLine))]
[JsonSerializable(typeof(RecordedConversation))]
public sealed partial class ContractJson : JsonSerializerContext;

/// <summary>Enums as snake-case words; numbers are refused.</summary>
public sealed class SnakeCaseEnum<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;

