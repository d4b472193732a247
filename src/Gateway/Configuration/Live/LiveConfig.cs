namespace FinerCut.Gateway.Configuration.Live;

/// <summary>The settings that hold now. One writer (<see cref="ConfigReload"/>); readers take <see cref="Current"/> when they need it and keep nothing of it.</summary>
public sealed class LiveConfig(GatewayConfig first)
{
    private volatile GatewayConfig _current = first;

    public GatewayConfig Current => _current;

    public ForwardingConfig Forwarding => _current.Forwarding;

    public JobsConfig Jobs => _current.Jobs;

    /// <exception cref="KeyNotFoundException">There is no such model.</exception>
    public ModelConfig Model(string modelId) => Find(modelId) ?? throw new KeyNotFoundException($"There is no model {modelId}.");

    public ModelConfig? Find(string modelId) => _current.Models.FirstOrDefault(model => model.Id == modelId);

    internal void Replace(GatewayConfig next) => _current = next;
}
