using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace FinerCut.Gateway.Commands;

/// <summary>Answers on standard output: JSON where it was asked for, else tables; colours and boxes only on a terminal.</summary>
internal static class Listing
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>True when the answer was printed as JSON.</summary>
    public static bool AsJson(ParseResult parsed, JsonNode? answer)
    {
        if (!parsed.GetValue(RemoteGateway.Json)) return false;
        Console.WriteLine(answer?.ToJsonString(Indented) ?? "null");
        return true;
    }

    public static void Table(string[] columns, IEnumerable<string?[]> rows)
    {
        if (Console.IsOutputRedirected)
        {
            // For cut and awk: one line a row, tabs between.
            Console.WriteLine(string.Join('\t', columns));
            foreach (var row in rows) Console.WriteLine(string.Join('\t', row.Select(cell => cell ?? "-")));
            return;
        }

        var table = new Table().Border(TableBorder.Simple).AddColumns([.. columns.Select(Markup.Escape)]);
        foreach (var row in rows) table.AddRow([.. row.Select(cell => Markup.Escape(cell ?? "–"))]);
        AnsiConsole.Write(table);
    }

    public static string? Text(JsonNode? node) => node switch
    {
        null => null,
        JsonArray array => string.Join(", ", array.Select(Text)),
        _ => node.ToString().Replace('_', ' '),
    };

    public static string? Time(JsonNode? node) =>
        node is null ? null : DateTimeOffset.Parse(node.ToString(), CultureInfo.InvariantCulture).ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    public static string? Bytes(JsonNode? node) => node is null ? null : (node.GetValue<double>() / 1e6).ToString("F1", CultureInfo.InvariantCulture) + " MB";
}
