using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Workers;

/// <summary>Takes a worker's standard error over into this program's log: JSON lines as .NET's console writes them keep their level, others are information.</summary>
internal static class WorkerLog
{
    /// <summary>Logs the line and returns its message.</summary>
    public static string Forward(ILogger logger, string line)
    {
        var (level, message) = Parse(line);
        logger.Log(level, "{Line}", message);
        return message;
    }

    internal static (LogLevel Level, string Message) Parse(string line)
    {
        if (!line.StartsWith('{')) return (LogLevel.Information, line);
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            return root.TryGetProperty("LogLevel", out var level) && root.TryGetProperty("Message", out var message)
                && level.ValueKind == JsonValueKind.String && message.ValueKind == JsonValueKind.String && Enum.TryParse<LogLevel>(level.GetString(), out var parsed)
                ? (parsed, message.GetString()!)
                : (LogLevel.Information, line);
        }
        catch (JsonException)
        {
            return (LogLevel.Information, line);
        }
    }
}
