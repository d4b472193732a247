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

    [Theory]
    [InlineData("""{"budget":{"fraction":0.1},"grains":["layer"]}""", "grains")]
    [InlineData("""{"budget":{"fraction":0.1},"grains":"block"}""", "grains")]
    [InlineData("""{"budget":{"fraction":0.1},"grains":["block","block"]}""", "grains")]
    [InlineData("""{"budget":{"fraction":0.1},"slices_per_ffn":0}""", "slices_per_ffn")]
    [InlineData("""{"budget":{"fraction":0.1},"slice":4}""", "slice")]
    public void What_is_wrong_is_refused_by_its_name(string body, string name)
    {
        var (order, error) = Read(body);
        Assert.Null(order);
        Assert.Contains(name, error!.Message, StringComparison.Ordinal);
    }

    private static (PruneOrder? Order, Gateway.OpenAi.ApiError? Error) Read(string body) => PruneOrderReader.Read(Encoding.UTF8.GetBytes(body));
}
