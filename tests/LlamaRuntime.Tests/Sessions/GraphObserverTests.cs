using FinerCut.Runtime;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class GraphObserverTests(RealModel real)
{
    /// <summary>One block as docs/runtimes.md lists it: the order that scoring by the callback relies on.</summary>
    private static readonly string[] Block =
    [
        "norm-5", "attn_norm-5", "Qcur-5", "Qcur-5", "Qcur-5", "Vcur-5", "Vcur-5", "Kcur-5", "Kcur-5", "Kcur-5", "Kcur-5 (view)", "cache_k_l5 (view)",
        "Vcur-5 (view)", "cache_v_l5 (view)", "Qcur-5 (view)", "Qcur-5 (view) (permuted)", "cache_k_l5 (view)", "cache_k_l5 (view) (permuted)",
        "cache_v_l5 (view)", "cache_v_l5 (view) (permuted)", "node_176", "kqv_out-5", "attn_out-5", "ffn_inp-5",
        "norm-5", "ffn_norm-5", "ffn_gate-5", "ffn_up-5", "ffn_swiglu-5", "ffn_out-5", "l_out-5",
    ];

    [Fact]
    public void Nodes_of_a_block_come_in_the_documented_order()
    {
        var names = new List<string>();
        var residuals = new List<(string Name, string Branch, string Stream)>();
        Decode((node, ask) =>
        {
            if (!ask) return true;
            names.Add(node.Name);
            if (node.Name is "ffn_inp-5" or "l_out-5") residuals.Add((node.Name, node.Source(0).Name, node.Source(1).Name));
            if (node.Name == "ffn_out-5") Assert.Equal("blk.5.ffn_down.weight", node.Source(0).Name);
            return false;
        });
        var start = names.IndexOf("norm-5");
        Assert.Equal(Block, names[start..(start + Block.Length)]);
        Assert.Equal([("ffn_inp-5", "attn_out-5", "l_out-4"), ("l_out-5", "ffn_out-5", "ffn_inp-5")], residuals);
    }

    [Fact]
    public void Clearing_the_compute_flag_skips_nodes_and_a_zeroed_branch_leaves_the_residual_stream()
    {
        float[] before = [], after = [];
        var full = Decode((_, _) => false);
        var masked = Decode((node, ask) =>
        {
            var name = node.Name;
            if (ask)
            {
                if (name is "ffn_norm-3" or "ffn_gate-3" or "ffn_up-3" or "ffn_swiglu-3" or "ffn_out-3") node.Compute = false;
                return name is "ffn_inp-3" or "ffn_out-3" or "l_out-3";
            }

            if (name == "ffn_out-3") node.Zero(0, node.Ne(0) * node.Ne(1) * sizeof(float));
            else if (name == "ffn_inp-3") node.Read<float>(before = new float[node.Ne(0) * node.Ne(1)]);
            else node.Read<float>(after = new float[node.Ne(0) * node.Ne(1)]);
            return true;
        });
        Assert.Equal(576 * 5, before.Length);
        Assert.Equal(before, after);
        Assert.NotEqual(full, masked);
    }

    [Fact]
    public void An_observer_that_asks_for_nothing_or_for_everything_changes_nothing()
    {
        var plain = Decode(null);
        Assert.Equal(plain, Decode((_, _) => false));
        Assert.Equal(plain, Decode((_, _) => true));
    }

    [Fact]
    public void An_observer_that_throws_ends_the_decode_with_its_exception_inside()
    {
        var broken = true;
        using var session = Open((node, ask) => broken && ask && node.Name == "l_out-7" ? throw new InvalidDataException("deliberate") : false);
        var batch = Batch();
        var thrown = Assert.Throws<LlamaException>(() => session.Decode(batch));
        Assert.Equal(LlamaErrorCode.DecodeFailed, thrown.Code);
        Assert.Equal("deliberate", Assert.IsType<InvalidDataException>(thrown.InnerException).Message);
        Assert.Equal(-1, session.Memory.LastPosition(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => session.Logits(4));
        broken = false;
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        Assert.Equal(Decode(null), session.Logits(4).ToArray());
    }

    [Fact]
    public void An_observer_that_answers_false_after_a_group_aborts_the_decode()
    {
        using var session = Open((node, ask) => ask && node.Name == "ffn_inp-2");
        Assert.Equal(DecodeStatus.Aborted, session.Decode(Batch()));
        Assert.Equal(-1, session.Memory.LastPosition(0));
    }

    [Fact]
    public void Reading_past_a_tensor_is_an_exception_and_not_an_abort()
    {
        using var session = Open((node, ask) =>
        {
            if (ask) return node.Name == "l_out-0";
            node.Read<float>(new float[(node.Ne(0) * node.Ne(1)) + 1]);
            return true;
        });
        var thrown = Assert.Throws<LlamaException>(() => session.Decode(Batch()));
        Assert.IsType<ArgumentOutOfRangeException>(thrown.InnerException);
    }

    private float[] Decode(Func<GraphNode, bool, bool>? onNode)
    {
        using var session = Open(onNode);
        Assert.Equal(DecodeStatus.Done, session.Decode(Batch()));
        return session.Logits(4).ToArray();
    }

    private TokenBatch Batch()
    {
        var batch = new TokenBatch(64);
        Assert.Equal(4, DecodeTests.Fill(batch, real.Tokens("The cat sat on the"), 0));
        return batch;
    }

    private ILlamaSession Open(Func<GraphNode, bool, bool>? onNode) => real.Open(
        new SessionOptions { ContextLength = 256, BatchSize = 64, GraphObserver = onNode is null ? null : new Observer(onNode) });

    private sealed class Observer(Func<GraphNode, bool, bool> onNode) : IGraphObserver
    {
        public bool OnNode(GraphNode node, bool ask) => onNode(node, ask);
    }
}
