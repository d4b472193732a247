using System.CommandLine;
using FinerCut.CommandLine;

namespace FinerCut.Gateway.Tests.Commands;

public class OneLineErrorsTests
{
    [Theory]
    [InlineData("make --count many", "finercut make: --count many: expected a whole number.")]
    [InlineData("make --share half", "finercut make: --share half: expected a number.")]
    [InlineData("make --until soon", "finercut make: --until soon: expected a date such as 2030-01-31.")]
    [InlineData("make --grain blok", "finercut make: --grain blok: expected block, sublayer; did you mean block?")]
    [InlineData("make --grain xyz", "finercut make: --grain xyz: expected block, sublayer.")]
    [InlineData("make --coutn 3", "finercut make: there is no option --coutn; did you mean --count?")]
    [InlineData("mkae", "finercut: there is no verb mkae; did you mean make?")]
    [InlineData("make bash", "finercut make: bash is one word too many; finercut make --help shows what may stand here.")]
    [InlineData("shell bsh", "finercut shell: SHELL bsh: expected bash, fish; did you mean bash?")]
    public void What_is_wrong_is_told_in_one_line(string line, string told) => Assert.Equal(told, OneLineErrors.Of(Root().Parse(line)));

    [Theory]
    [InlineData("make --count 3 --share 0.5 --until 2030-01-31 --grain block")]
    [InlineData("shell fish")]
    public void What_is_right_is_not_told(string line) => Assert.Null(OneLineErrors.Of(Root().Parse(line)));

    private static RootCommand Root()
    {
        var grain = new Option<string>("--grain");
        grain.AcceptOnlyFromAmong("block", "sublayer");
        var shell = new Argument<string>("SHELL");
        shell.AcceptOnlyFromAmong("bash", "fish");
        return new RootCommand { new Command("make") { new Option<long?>("--count"), new Option<double>("--share"), new Option<DateTimeOffset?>("--until"), grain }, new Command("shell") { shell } };
    }
}
