using FinerCut.Worker.ChatTemplates;

namespace FinerCut.Tests.ChatTemplates;

public class StrftimeTests
{
    [Theory]
    [InlineData("%d %b %Y", "05 Mar 2024")]
    [InlineData("%B %-d, %Y", "March 5, 2024")]
    [InlineData("%Y-%m-%dT%H:%M:%S%z", "2024-03-05T09:07:03+0100")]
    [InlineData("%A %a %j %y %I%p", "Tuesday Tue 065 24 09AM")]
    [InlineData("100%% %Q %", "100% %Q %")]
    public void FollowsC(string format, string expected) =>
        Assert.Equal(expected, Strftime.Format(new DateTimeOffset(2024, 3, 5, 9, 7, 3, TimeSpan.FromHours(1)), format));
}
