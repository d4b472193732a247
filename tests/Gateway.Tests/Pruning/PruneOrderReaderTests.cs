using System.Text;
using FinerCut.Gateway.Pruning;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Tests.Pruning;

public class PruneOrderReaderTests
{
    [Fact]
    public void Moves_and_slices_are_read()
    {
        var (order, error) = Read("""{"budget":{"fraction":0.1},"search":"local","grains":["kv_group","ffn_slice"],"slices_per_ffn":48,"channel_order":"file"}""");
        Assert.Null(error);
        Assert.Equal((SearchKind.Local, 48, ChannelOrder.File), (order!.Search, order.SlicesPerFfn, order.ChannelOrder));
        Assert.Equal([PruneGrain.KvGroup, PruneGrain.FfnSlice], order.Grains);
    }

    [Fact]
    public void What_is_left_out_is_the_contracts_default()
    {
        var order = Read("""{"budget":{"sublayers":3}}""").Order!;
        var request = new PruneRequest { JobId = "j", ModelPath = "m", OutputPath = "o", WorkFolder = "w", CalibrationPath = "c", HeldOutPath = "h", Budget = order.Budget };
        Assert.Equal((request.Search, request.SlicesPerFfn, request.ChannelOrder), (order.Search, order.SlicesPerFfn, order.ChannelOrder));
        Assert.Empty(order.Grains);
    }

    [Fact]
    public void Several_budgets_and_constraints_are_read()
    {
        var (order, error) = Read("""{"budget":{"fraction":0.1,"kv_fraction":1,"decode_ms":0.5,"decode_context":2048,"leanest":true},"only":"attention","distance":"top_k_kullback_leibler","top_k":64,"distance_tokens":"answers","gpu_layers":-1}""");
        Assert.Null(error);
        Assert.Equal(new PruneBudget(Fraction: 0.1) { KvFraction = 1, DecodeMs = 0.5, DecodeContext = 2048, Leanest = true }, order!.Budget);
        Assert.Equal(-1, order.GpuLayers);
        Assert.Equal((FinerCut.Masks.SublayerKind.Attention, DistanceKind.TopKKullbackLeibler, 64, DistanceTokens.Answers), (order.Only!.Value, order.Distance, order.TopK, order.DistanceTokens));
    }

    [Theory]
    [InlineData("""{"budget":{}}""", "kv_bytes")]
    [InlineData("""{"budget":{"fraction":0.1,"bytes":5}}""", "at most one of fraction, bytes")]
    [InlineData("""{"budget":{"kv_fraction":0}}""", "kv_fraction")]
    [InlineData("""{"budget":{"decode_fraction":1}}""", "decode_fraction")]
    [InlineData("""{"budget":{"decode_ms":0}}""", "decode_ms")]
    [InlineData("""{"budget":{"fraction":0.1},"only":"blocks"}""", "only")]
    [InlineData("""{"budget":{"fraction":0.1},"top_k":0}""", "top_k")]
    [InlineData("""{"budget":{"fraction":0.1},"grains":["layer"]}""", "grains")]
    [InlineData("""{"budget":{"fraction":0.1},"grains":"block"}""", "grains")]
    [InlineData("""{"budget":{"fraction":0.1},"grains":["block","block"]}""", "grains")]
    [InlineData("""{"budget":{"fraction":0.1},"slices_per_ffn":0}""", "slices_per_ffn")]
    [InlineData("""{"budget":{"fraction":0.1},"gpu_layers":-2}""", "gpu_layers")]
    [InlineData("""{"budget":{"fraction":0.1},"slice":4}""", "slice")]
    public void What_is_wrong_is_refused_by_its_name(string body, string name)
    {
        var (order, error) = Read(body);
        Assert.Null(order);
        Assert.Contains(name, error!.Message, StringComparison.Ordinal);
    }

    private static (PruneOrder? Order, Gateway.OpenAi.ApiError? Error) Read(string body) => PruneOrderReader.Read(Encoding.UTF8.GetBytes(body));
}
