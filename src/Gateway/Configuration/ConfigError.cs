namespace FinerCut.Gateway.Configuration;

/// <summary>One thing that is wrong with the settings.</summary>
/// <param name="Path">Such as Models:foo:ContextSize.</param>
/// <param name="Value">As it was given; null where nothing was. Secrets are left out.</param>
/// <param name="Expected">What is allowed, as a clause.</param>
public sealed record ConfigError(string Path, string? Value, string Expected)
{
    public override string ToString() => Value is null ? $"{Path}: {Expected}" : $"{Path} = \"{Value}\": {Expected}";
}

/// <summary>All that is wrong, at once.</summary>
public sealed class ConfigException(IReadOnlyList<ConfigError> errors)
    : Exception(errors.Count == 1 ? $"The settings are not usable: {errors[0]}" : "The settings are not usable:" + string.Concat(errors.Select(error => Environment.NewLine + "  " + error)))
{
    public IReadOnlyList<ConfigError> Errors { get; } = errors;
}
