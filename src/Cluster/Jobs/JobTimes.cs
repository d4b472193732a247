namespace FinerCut.Cluster.Jobs;

/// <summary>How long a job waits for what.</summary>
/// <param name="Reminder">Between the reminders that bring a lost owner back; Orleans takes no less than a minute unless told otherwise.</param>
/// <param name="Silence">A host that says nothing of its job for so long has lost it, whatever the membership says.</param>
/// <param name="Look">Between two looks at a job that waits or runs.</param>
/// <param name="Cooling">A host that refused is asked again after this.</param>
public sealed record JobTimes(TimeSpan Reminder, TimeSpan Silence, TimeSpan Look, TimeSpan Cooling)
{
    public static JobTimes Usual { get; } = new(TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5));
}
