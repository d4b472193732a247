namespace FinerCut.Runtime.Native;

/// <summary>llama_perf_context of a session.</summary>
internal sealed class PerfCounters(Session session, ContextHandle context) : IDecodeCounters
{
    public DecodeCounters Read()
    {
        session.RequireOpen();
        var data = Llama.PerfContext(context);
        // The library reports at least one token of each kind, so that a division works; without time there was none.
        return new DecodeCounters(
            data.PromptEvalMs == 0 ? 0 : data.PromptEvalCount, data.PromptEvalMs, data.EvalMs == 0 ? 0 : data.EvalCount, data.EvalMs, data.ReusedCount);
    }

    public void Reset()
    {
        session.RequireOpen();
        Llama.PerfContextReset(context);
    }
}
