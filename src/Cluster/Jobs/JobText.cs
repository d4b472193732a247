using System.Text.Json;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Pruning;

namespace FinerCut.Cluster.Jobs;

/// <summary>Jobs as they travel and are kept: the JSON of the admin endpoints.</summary>
internal static class JobText
{
    public static JobModel Read(string json) => JsonSerializer.Deserialize<JobModel>(json, AdminJson.Options)!;

    public static string Write(JobModel job) => JsonSerializer.Serialize(job, AdminJson.Options);

    /// <summary>Without what changes all the time and is of no use after a restart.</summary>
    public static string WriteKept(JobModel job) => Write(job.Silent());

    public static string FileKey(string job, string path) => $"{job}/{path}";

    /// <summary>Of the kept file that is the job's report.</summary>
    public const string Report = "report.html";
}
