using FinerCut.Pruning.Dealing;

namespace FinerCut.ScaleBench;

/// <summary>A search's shape and the machines that it runs on, as far as time depends on them.</summary>
public sealed record SearchShape
{
    /// <summary>Llama-70B: 80 blocks.</summary>
    public int Sublayers { get; init; } = 160;

    /// <summary>30 % of them.</summary>
    public int Steps { get; init; } = 48;

    /// <summary>The paper's calibration set, 10 × 256 tokens, in batches of 128.</summary>
    public int Batches { get; init; } = 20;

    /// <summary>One batch through the whole model: 128 tokens at 800 tokens a second.</summary>
    public double BatchSeconds { get; init; } = 0.16;

    /// <summary>Of each share on its way to a machine and back.</summary>
    public double ShareSeconds { get; init; } = 0.002;

    /// <summary>Standard deviation of machines' speeds, and of single evaluations, as a part of the mean.</summary>
    public double Spread { get; init; } = 0.08;

    /// <summary>Mean time between a machine's failures, and how long it is away then; infinite: none fails.</summary>
    public double HoursBetweenFailures { get; init; } = double.PositiveInfinity;

    public double OutageSeconds { get; init; } = 60;
}

/// <summary>What one simulated search took.</summary>
/// <param name="Seconds">From begin to end.</param>
/// <param name="OneMachineSeconds">The same on one machine of mean speed, without failures.</param>
/// <param name="Evaluations">Masks × batches whose sums counted.</param>
/// <param name="Twice">Scored by two machines.</param>
/// <param name="Failures">Of machines, while they had something.</param>
public sealed record SearchTimes(double Seconds, double OneMachineSeconds, int Evaluations, int Twice, int Failures)
{
    public double Efficiency(int hosts) => OneMachineSeconds / (hosts * Seconds);
}

/// <summary>
/// Greedy search over simulated machines, event by event in virtual time: the dealing is the real one (<see cref="Deal"/>), only scoring is a number
/// of seconds. The same seed, the same times.
/// </summary>
public sealed class DealSimulation
{
    private readonly SearchShape _shape;
    private readonly Random _random;
    private readonly double[] _speed;
    private readonly double[] _failsAt;
    private readonly double[] _awayUntil;
    private readonly int[][] _stateOf;
    private readonly List<int> _cuts = [];
    private double _now;
    private double _oneMachine;
    private int _evaluations;
    private int _twice;
    private int _failures;

    private DealSimulation(SearchShape shape, int hosts, int seed)
    {
        (_shape, _random) = (shape, new Random(seed));
        _speed = [.. Enumerable.Range(0, hosts).Select(_ => Around(1))];
        var mean = _speed.Average();
        for (var host = 0; host < hosts; host++) _speed[host] /= mean;
        _failsAt = [.. Enumerable.Range(0, hosts).Select(_ => NextFailure(0))];
        _awayUntil = new double[hosts];
        // The step whose residual states a machine has of a batch; -1 none.
        _stateOf = [.. Enumerable.Range(0, hosts).Select(_ => Enumerable.Repeat(-1, shape.Batches).ToArray())];
    }

    public static SearchTimes Run(SearchShape shape, int hosts, int seed)
    {
        ArgumentNullException.ThrowIfNull(shape);
        var simulation = new DealSimulation(shape, hosts, seed);
        IReadOnlyList<int>? homes = null;
        for (var step = 0; step < shape.Steps; step++) homes = simulation.Step(step, homes);
        return new SearchTimes(simulation._now, simulation._oneMachine, simulation._evaluations, simulation._twice, simulation._failures);
    }

    private IReadOnlyList<int> Step(int step, IReadOnlyList<int>? homes)
    {
        int[] open = [.. Enumerable.Range(0, _shape.Sublayers).Except(_cuts)];
        var deal = new Deal(open.Length, _shape.Batches, _speed.Length, homes);
        var busy = new PriorityQueue<(DealShare Share, bool Fails), double>();
        var idle = Enumerable.Range(0, _speed.Length).ToHashSet();
        _oneMachine += _shape.Batches * (Rebase(step - 1, step) + open.Sum(Cost));
        while (!deal.IsDone)
        {
            foreach (var host in idle.Where(host => _awayUntil[host] <= _now).ToArray())
            {
                deal.Welcome(host);
                if (deal.Take(host) is not { } share) continue;
                idle.Remove(host);
                var seconds = Seconds(host, share, open, step);
                var fails = _failsAt[host] < _now + seconds;
                busy.Enqueue((share, fails), fails ? Math.Max(_now, _failsAt[host]) : _now + seconds);
            }

            if (!busy.TryDequeue(out var next, out var at))
            {
                _now = _awayUntil.Where(until => until > _now).Min();
                continue;
            }

            _now = at;
            idle.Add(next.Share.Scorer);
            if (next.Fails) Fail(deal, next.Share);
            else
            {
                var first = deal.Done(next.Share).Count;
                _evaluations += first;
                _twice += next.Share.Masks.Count - first;
            }
        }

        _cuts.Add(open[_random.Next(open.Length)]);
        return deal.Homes;
    }

    private void Fail(Deal deal, DealShare share)
    {
        _failures++;
        deal.Failed(share);
        _awayUntil[share.Scorer] = _now + _shape.OutageSeconds;
        _failsAt[share.Scorer] = NextFailure(_awayUntil[share.Scorer]);
        Array.Fill(_stateOf[share.Scorer], -1);
    }

    private double Seconds(int host, DealShare share, int[] open, int step)
    {
        var seconds = Rebase(_stateOf[host][share.Batch], step) + share.Masks.Sum(mask => Cost(open[mask]) * Around(1));
        _stateOf[host][share.Batch] = step;
        return _shape.ShareSeconds + (seconds / _speed[host]);
    }

    /// <summary>A mask's evaluation on one batch begins at its first cut: what lies before is known.</summary>
    private double Cost(int sublayer) => _shape.BatchSeconds * (1 - (sublayer / (double)_shape.Sublayers));

    /// <summary>States of one batch, from those of an earlier step.</summary>
    private double Rebase(int from, int step) => from == step ? 0 : from < 0 ? _shape.BatchSeconds : Cost(_cuts[from..step].Min());

    private double Around(double mean) => Math.Max(0.2 * mean, mean * (1 + (_shape.Spread * Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble()))));

    private double NextFailure(double from) => from - (3600 * _shape.HoursBetweenFailures * Math.Log(1 - _random.NextDouble()));
}
