namespace FinerCut.Pruning.Shapes;

/// <summary>A model that cannot be pruned; the message names the architecture, key or tensor and the reason.</summary>
public sealed class UnsupportedModelException(string message) : Exception(message);
