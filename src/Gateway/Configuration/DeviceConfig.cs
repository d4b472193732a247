using FinerCut.Runtime;

namespace FinerCut.Gateway.Configuration;

/// <summary>Where and in which types a model's workers compute: <c>Models:&lt;id&gt;:Device</c>, handed to them as llama.cpp's options.</summary>
public sealed record DeviceConfig
{
    /// <summary>Layers on the GPU; -1 = all.</summary>
    public int GpuLayers { get; init; }

    public SplitMode SplitMode { get; init; } = SplitMode.Layer;

    public int MainGpu { get; init; }

    public FlashAttention FlashAttention { get; init; } = FlashAttention.Auto;

    public KvType KeyType { get; init; } = KvType.F16;

    public KvType ValueType { get; init; } = KvType.F16;

    public IEnumerable<string> Arguments =>
    [
        "--n-gpu-layers", $"{GpuLayers}", "--split-mode", Lower(SplitMode), "--main-gpu", $"{MainGpu}",
        "--flash-attn", Lower(FlashAttention), "--cache-type-k", Lower(KeyType), "--cache-type-v", Lower(ValueType),
    ];

    internal static DeviceConfig Read(SectionReader section)
    {
        var config = new DeviceConfig
        {
            GpuLayers = section.Integer("GpuLayers", 0, -1, 1 << 16),
            SplitMode = section.Word("SplitMode", SplitMode.Layer),
            MainGpu = section.Integer("MainGpu", 0, 0, 255),
            FlashAttention = section.Word("FlashAttention", FlashAttention.Auto),
            KeyType = section.Word("KeyType", KvType.F16),
            ValueType = section.Word("ValueType", KvType.F16),
        };
        if (config is { ValueType: KvType.Q8_0 or KvType.Q4_0, FlashAttention: FlashAttention.Off })
            section.Error("ValueType", $"{config.ValueType}", "expected F16 or F32 where FlashAttention is Off");
        return config;
    }

    private static string Lower<T>(T word) where T : struct, Enum => word.ToString().ToLowerInvariant();
}
