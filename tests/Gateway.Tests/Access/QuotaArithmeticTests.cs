using System.Collections.Immutable;
using CsCheck;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Quotas;

namespace FinerCut.Tests.Access;

public class QuotaArithmeticTests
{
    private const long Start = 1_790_000_000_000;
    private const long Day = 86_400_000;

    [Fact]
    public void A_limit_of_requests_refuses_the_next_one_until_the_oldest_is_a_minute_old()
    {
        var limits = new KeyLimits(RequestsPerMinute: 2);
        var state = Admit(QuotaState.Empty, limits, 0, Start, "a");
        state = Admit(state, limits, 0, Start + 10_000, "b");
        var refused = Refuse(state, limits, 0, Start + 20_000);
        Assert.Equal((QuotaKind.Requests, 2L, 1L), (refused.Kind, refused.Limit, refused.Asked));
        Assert.InRange(refused.RetryAfter!.Value.TotalMilliseconds, 40_000, 41_000);
        Assert.Equal(0, refused.View.Requests.Remaining);
        Admit(state, limits, 0, Start + 20_000 + (long)refused.RetryAfter.Value.TotalMilliseconds, "c");
    }

    [Fact]
    public void Real_usage_takes_the_place_of_the_estimate()
    {
        var limits = new KeyLimits(TokensPerMinute: 100, TokensPerDay: 120);
        var (state, decision) = QuotaArithmetic.Reserve(QuotaState.Empty, limits, 100, ("a", "o"), Start);
        Refuse(state, limits, 1, Start);
        state = QuotaArithmetic.Charge(state, ((QuotaAdmitted)decision).Reservation, 30, Start + 500);
        state = QuotaArithmetic.End(state, "a", finished: true, Start + 600);
        Assert.Equal(30, QuotaArithmetic.DayTokens(state, Start));
        Refuse(state, limits, 71, Start + 1000);
        Admit(state, limits, 70, Start + 1000, "b");
    }

    [Fact]
    public void Usage_above_the_estimate_is_counted_and_paid_for_by_waiting()
    {
        var limits = new KeyLimits(TokensPerMinute: 100);
        var (state, decision) = QuotaArithmetic.Reserve(QuotaState.Empty, limits, 10, ("a", "o"), Start);
        state = QuotaArithmetic.Charge(state, ((QuotaAdmitted)decision).Reservation, 150, Start);
        state = QuotaArithmetic.End(state, "a", true, Start);
        Assert.Equal(0, QuotaArithmetic.View(state, limits, Start).Tokens.Remaining);
        Assert.NotNull(Refuse(state, limits, 1, Start + 59_000).RetryAfter);
        Admit(state, limits, 100, Start + 61_000, "b");
    }

    [Fact]
    public void An_answer_that_was_not_given_costs_nothing()
    {
        var limits = new KeyLimits(1, 10, 1, 10);
        var state = Admit(QuotaState.Empty, limits, 10, Start, "a");
        state = QuotaArithmetic.End(state, "a", finished: false, Start + 1);
        Admit(state, limits, 10, Start + 2, "b");
    }

    [Fact]
    public void What_alone_is_above_a_limit_is_refused_for_good()
    {
        Assert.Null(Refuse(QuotaState.Empty, new KeyLimits(TokensPerMinute: 10), 11, Start).RetryAfter);
        Assert.Null(Refuse(QuotaState.Empty, new KeyLimits(TokensPerDay: 10), 11, Start).RetryAfter);
        Assert.Null(Refuse(QuotaState.Empty, new KeyLimits(RequestsPerMinute: 0), 0, Start).RetryAfter);
        Assert.Null(Refuse(QuotaState.Empty, new KeyLimits(Concurrency: 0), 0, Start).RetryAfter);
    }

    [Fact]
    public void The_day_ends_at_midnight_UTC()
    {
        var limits = new KeyLimits(TokensPerDay: 10);
        var evening = (Start / Day * Day) + Day - 5_000;
        var state = Admit(QuotaState.Empty, limits, 10, evening, "a");
        Assert.Equal(TimeSpan.FromSeconds(4), Refuse(state, limits, 1, evening + 1000).RetryAfter);
        state = Admit(state, limits, 10, evening + 5_000, "b");
        Assert.Equal(10, QuotaArithmetic.DayTokens(state, evening + 5_000));

        // Yesterday's request ends today: today's count is not touched.
        state = QuotaArithmetic.End(state, "a", finished: false, evening + 6_000);
        Assert.Equal(10, QuotaArithmetic.DayTokens(state, evening + 6_000));
    }

    [Fact]
    public void A_place_is_expected_when_the_first_running_request_has_taken_the_mean()
    {
        var limits = new KeyLimits(Concurrency: 2);
        var state = Admit(QuotaState.Empty, limits, 0, Start, "a");
        state = QuotaArithmetic.End(state, "a", finished: true, Start + 4_000);
        state = Admit(state, limits, 0, Start + 5_000, "b");
        state = Admit(state, limits, 0, Start + 6_000, "c");
        var refused = Refuse(state, limits, 0, Start + 7_000);
        Assert.Equal((QuotaKind.Concurrency, TimeSpan.FromSeconds(2)), (refused.Kind, refused.RetryAfter));
    }

    [Fact]
    public void A_clock_that_steps_back_opens_no_limit()
    {
        var limits = new KeyLimits(2, 20, TokensPerDay: 20);
        var state = Admit(QuotaState.Empty, limits, 10, Start, "a");
        state = Admit(state, limits, 10, Start - 3_600_000, "b");
        Refuse(state, limits, 1, Start - (2 * Day));
        Refuse(state, limits, 1, Start + 1);
    }

    /// <summary>Random reservations, charges, failures, deaths and restarts on one key; whatever happens, no minute and no day is overdrawn.</summary>
    [Fact]
    public void No_limit_is_ever_exceeded_nothing_leaks_and_every_wait_is_true() =>
        Gen.Select(
                Gen.Select(Gen.Long[1, 8], Gen.Long[1, 200], Gen.Int[1, 4], Gen.Long[50, 2000], (rpm, tpm, places, daily) => new KeyLimits(rpm, tpm, places, daily)),
                Gen.Select(Gen.Int[0, 9], Gen.Int[0, 20_000], Gen.Long[0, 60], Gen.Double[0, 1]).Array[1, 120])
            .Sample((limits, steps) => new QuotaRun(limits).Play(steps), iter: 400, print: run => $"{run.Item1}: {string.Join(' ', run.Item2)}");

    [Fact]
    public void The_stored_form_is_the_state() =>
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, 20_000], Gen.Long[0, 60], Gen.Double[0, 1]).Array[1, 40].Sample(steps =>
        {
            var run = new QuotaRun(new KeyLimits(100, 100_000, 50, 1_000_000));
            run.Play(steps, drain: false);
            Assert.Equal(run.State, run.Reread());
        }, iter: 100);

    private static QuotaState Admit(QuotaState state, KeyLimits limits, long tokens, long nowMs, string id)
    {
        var (next, decision) = QuotaArithmetic.Reserve(state, limits, tokens, (id, "o"), nowMs);
        Assert.IsType<QuotaAdmitted>(decision);
        return next;
    }

    private static QuotaRefused Refuse(QuotaState state, KeyLimits limits, long tokens, long nowMs)
    {
        var (next, decision) = QuotaArithmetic.Reserve(state, limits, tokens, ("x", "o"), nowMs);
        Assert.Same(state, next);
        return Assert.IsType<QuotaRefused>(decision);
    }

    /// <summary>Plays steps against the arithmetic and against a plain list of what was granted.</summary>
    private sealed class QuotaRun(KeyLimits limits)
    {
        private readonly List<Grant> _grants = [];
        private long _nowMs = Start + Day - 300_000;
        private int _number;

        public QuotaState State { get; private set; } = QuotaState.Empty;

        public QuotaState Reread() => ReadBack(State);

        public void Play((int Kind, int Pause, long Tokens, double Share)[] steps, bool drain = true)
        {
            foreach (var (kind, pause, tokens, share) in steps)
            {
                _nowMs += pause;
                var running = _grants.Where(grant => !grant.Ended).ToList();
                var one = running.Count == 0 ? null : running[(int)(share * running.Count) % running.Count];
                if (kind <= 5) Reserve(tokens);
                else if (one is null) continue;
                else if (kind <= 7) Charge(one, (long)(share * one.Held));
                else if (kind == 8) Release(grant => ReferenceEquals(grant, one));
                else if (share < 0.2) Release(_ => true);
                else End(one, share > 0.5);
                Check();
            }

            if (!drain) return;
            foreach (var grant in _grants.Where(grant => !grant.Ended)) End(grant, finished: true);
            Assert.Empty(State.Running);
            Check();
            Assert.True(QuotaArithmetic.IsSpent(State, _nowMs + Day + 61_000));
            Assert.Equal(0, State.Requests.Sum(_nowMs + 61_000));
            Assert.Equal(0, State.Tokens.Sum(_nowMs + 61_000));
        }

        private static QuotaState ReadBack(QuotaState state) => QuotaJson.Read("key", QuotaJson.Write(state));

        private void Reserve(long tokens)
        {
            var id = $"r{_number++}";
            (State, var decision) = QuotaArithmetic.Reserve(State, limits, tokens, (id, "o"), _nowMs);
            if (decision is QuotaAdmitted admitted)
            {
                _grants.Add(new Grant(admitted.Reservation, _nowMs) { Held = tokens });
                return;
            }

            var refused = (QuotaRefused)decision;
            if (refused.RetryAfter is not { } wait || refused.Kind == QuotaKind.Concurrency) return;
            var at = _nowMs + (long)wait.TotalMilliseconds;
            Assert.IsType<QuotaRefused>(QuotaArithmetic.Reserve(State, limits, tokens, ("probe", "o"), at - 1).Decision);
            if (State.Running.Length < limits.Concurrency) Assert.IsType<QuotaAdmitted>(QuotaArithmetic.Reserve(State, limits, tokens, ("probe", "o"), at).Decision);
        }

        private void Charge(Grant grant, long tokens)
        {
            State = QuotaArithmetic.Charge(State, grant.Reservation, tokens, _nowMs);
            (grant.Held, grant.Charged) = (tokens, true);
        }

        private void End(Grant grant, bool finished)
        {
            State = QuotaArithmetic.End(State, grant.Reservation.Id, finished, _nowMs);
            State = QuotaArithmetic.End(State, grant.Reservation.Id, finished, _nowMs);
            grant.End();
        }

        private void Release(Func<Grant, bool> which)
        {
            var gone = _grants.Where(grant => !grant.Ended && which(grant)).ToList();
            State = QuotaArithmetic.Release(State, reservation => gone.Any(grant => grant.Reservation.Id == reservation.Id), _nowMs);
            foreach (var grant in gone) grant.End();
        }

        private void Check()
        {
            // Any 60 seconds: it is enough to look at those that end at a grant.
            foreach (var last in _grants)
            {
                var minute = _grants.Where(grant => grant.AtMs <= last.AtMs && grant.AtMs > last.AtMs - 60_000).ToList();
                Assert.True(minute.Count(grant => grant.Counts) <= limits.RequestsPerMinute, "requests");
                Assert.True(minute.Sum(grant => grant.Held) <= limits.TokensPerMinute, "tokens");
            }

            Assert.All(_grants.GroupBy(grant => grant.AtMs / Day), day => Assert.True(day.Sum(grant => grant.Held) <= limits.TokensPerDay, "day"));
            var running = _grants.Where(grant => !grant.Ended).ToList();
            Assert.True(running.Count <= limits.Concurrency, "places");
            Assert.Equal(running.Select(grant => grant.Reservation.Id), State.Running.Select(reservation => reservation.Id));

            // Reserve and settle conserve: what the state counts is what was granted, token by token.
            Assert.Equal(_grants.Where(grant => grant.AtMs / Day == _nowMs / Day).Sum(grant => grant.Held), QuotaArithmetic.DayTokens(State, _nowMs));
            Assert.Equal(_grants.Where(grant => ((grant.AtMs / 1000) + 61) * 1000 > _nowMs).Sum(grant => grant.Held), State.Tokens.Sum(_nowMs));
            Assert.Equal(_grants.Count(grant => grant.Counts && ((grant.AtMs / 1000) + 61) * 1000 > _nowMs), State.Requests.Sum(_nowMs));
        }

        private sealed class Grant(Reservation reservation, long atMs)
        {
            public Reservation Reservation { get; } = reservation;

            public long AtMs { get; } = atMs;

            public long Held { get; set; }

            public bool Charged { get; set; }

            public bool Ended { get; private set; }

            public bool Counts => !Ended || Charged;

            public void End()
            {
                Ended = true;
                if (!Charged) Held = 0;
            }
        }
    }
}
