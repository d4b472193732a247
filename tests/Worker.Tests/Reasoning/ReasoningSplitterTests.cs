using System.Text;
using FinerCut.Worker.Reasoning;

namespace FinerCut.Tests.Reasoning;

public class ReasoningSplitterTests
{
    [Theory]
    [InlineData("<think>a b</think>c", false, "a b", "c")]
    [InlineData("\n <think>\n a \n</think>\n\n c \n", false, "a", "c \n")]
    [InlineData("plain <think>x</think>", false, "", "plain <think>x</think>")]
    [InlineData("  <b>bold</b>", false, "", "  <b>bold</b>")]
    [InlineData("<think></think>c", false, "", "c")]
    [InlineData("<think>\n\n</think>\n\nc", false, "", "c")]
    [InlineData("<think>a</thin</think>c</think>", false, "a</thin", "c</think>")]
    [InlineData("<think>a</t", false, "a</t", "")]
    [InlineData("<thi", false, "", "<thi")]
    [InlineData("  ", false, "", "  ")]
    [InlineData("a b\n</think>\nc", true, "a b", "c")]
    [InlineData("<think>a</think>c", true, "a", "c")]
    [InlineData("<thx</think>c", true, "<thx", "c")]
    [InlineData("never closed ", true, "never closed", "")]
    [InlineData("</think>c", true, "", "c")]
    [InlineData("<th", true, "<th", "")]
    public void Splits_the_same_however_the_text_is_cut(string text, bool inside, string reasoning, string content)
    {
        foreach (var cuts in Cuts.Of(text))
        {
            var (r, c) = Split(cuts, inside);
            Assert.Equal((reasoning, content), (r, c));
        }
    }

    [Fact]
    public void Hands_on_what_is_certain_at_once()
    {
        var splitter = new ReasoningSplitter(ReasoningTags.Think, startsInside: false);
        var (reasoning, content) = (new StringBuilder(), new StringBuilder());
        splitter.Push("<think>abc", reasoning, content);
        Assert.Equal("abc", reasoning.ToString());
        Assert.True(splitter.IsInside);
        splitter.Push("</think>x", reasoning, content);
        Assert.Equal("x", content.ToString());
        Assert.False(splitter.IsInside);
    }

    [Theory]
    [InlineData("{{ '<think>\n' }}...</think>", "<think>")]
    [InlineData("[THINK]..[/THINK]", "[THINK]")]
    [InlineData("<|im_start|>", null)]
    public void Reads_the_tags_from_the_template(string template, string? open) => Assert.Equal(open, ReasoningTags.Detect(template)?.Open);

    [Theory]
    [InlineData("<|Assistant|><think>\n", true)]
    [InlineData("<|Assistant|><think>\n\n</think>\n\n", false)]
    [InlineData("<|Assistant|>", false)]
    public void Knows_whether_the_prompt_opened_the_reasoning(string prompt, bool open) =>
        Assert.Equal(open, ReasoningTags.Think.IsOpenAtEnd(prompt));

    private static (string Reasoning, string Content) Split(IReadOnlyList<string> pieces, bool inside)
    {
        var splitter = new ReasoningSplitter(ReasoningTags.Think, inside);
        var (reasoning, content) = (new StringBuilder(), new StringBuilder());
        foreach (var piece in pieces) splitter.Push(piece, reasoning, content);
        splitter.Finish(reasoning, content);
        return (reasoning.ToString(), content.ToString());
    }
}
