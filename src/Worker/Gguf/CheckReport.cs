using System.Text.Encodings.Web;
using System.Text.Json;
using FinerCut.Gguf;

namespace FinerCut.Worker.Gguf;

/// <summary>Defects of a file, one a line, or as one JSON object a line.</summary>
public static class CheckReport
{
    /// <summary>Writes the report and tells whether the file is sound.</summary>
    /// <exception cref="GgufException">The file cannot be read at all.</exception>
    public static bool Write(string path, bool json, TextWriter output)
    {
        var report = GgufCheck.Check(path);
        if (json) output.WriteLine(Json(report));
        else if (report.IsSound) output.WriteLine($"{path}: sound");
        else
        {
            output.WriteLine($"{path}: {report.Defects.Count}{(report.Defects.Count == GgufCheck.MaxDefects ? " or more" : "")} defects");
            foreach (var defect in report.Defects) output.WriteLine($"  {Printable.Of(defect.ToString(), 1000)}");
        }
        return report.IsSound;
    }

    private static string Json(GgufReport report)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("path", report.Path);
            json.WriteBoolean("sound", report.IsSound);
            json.WriteStartArray("defects");
            foreach (var defect in report.Defects)
            {
                json.WriteStartObject();
                json.WriteString("cause", defect.Cause.ToString());
                if (defect.Offset is { } offset) json.WriteNumber("offset", offset);
                if (defect.Name is { } name) json.WriteString("name", name);
                json.WriteString("found", defect.Found);
                json.WriteString("expected", defect.Expected);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(bytes.ToArray());
    }
}
