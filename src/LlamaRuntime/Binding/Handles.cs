using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>A llama_model. Contexts and samplers hold a reference, so the model goes when the last of them is gone, in whatever order they are disposed.</summary>
internal sealed class ModelHandle : SafeHandle
{
    public ModelHandle(nint model)
        : base(0, ownsHandle: true) => SetHandle(model);

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Llama.ModelFree(handle);
        return true;
    }
}

/// <summary>Something native that points into a model and keeps it alive.</summary>
internal abstract class ModelPartHandle : SafeHandle
{
    private readonly ModelHandle _model;

    protected ModelPartHandle(nint value, ModelHandle model)
        : base(0, ownsHandle: true)
    {
        _model = model;
        var added = false;
        model.DangerousAddRef(ref added);
        SetHandle(value);
    }

    public override bool IsInvalid => handle == 0;

    protected sealed override bool ReleaseHandle()
    {
        FreePart(handle);
        _model.DangerousRelease();
        return true;
    }

    protected abstract void FreePart(nint value);
}

/// <summary>A llama_context.</summary>
internal sealed class ContextHandle(nint context, ModelHandle model) : ModelPartHandle(context, model)
{
    protected override void FreePart(nint value) => Llama.Free(value);
}

/// <summary>A llama_sampler, mostly a chain, which frees its links.</summary>
internal sealed class SamplerHandle(nint sampler, ModelHandle model) : ModelPartHandle(sampler, model)
{
    protected override void FreePart(nint value) => Llama.SamplerFree(value);
}
