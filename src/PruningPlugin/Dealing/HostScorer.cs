using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using FinerCut.Jobs;
using FinerCut.Masks;

namespace FinerCut.Pruning.Dealing;

/// <summary>
/// A scorer on another machine, over HTTP. It is opened in the background: until then, and whenever it does not answer, the search goes on without it. One that reckons otherwise than
/// this machine, by the bits of one sum, is never asked.
/// </summary>
public sealed class HostScorer : IBatchScorer, IDisposable
{
    private static readonly TimeSpan OpeningPatience = TimeSpan.FromHours(1);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    /// <summary>Who was silent for so long when others had done its share is looked at before it gets the next.</summary>
    private static readonly TimeSpan Suspicious = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookPatience = TimeSpan.FromSeconds(2);

    private readonly HttpClient _http;
    private readonly ScoreOpening _opening;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _opened;
    private bool _isSuspect;

    /// <param name="own">What this machine itself would answer: who packs or reckons otherwise is left out.</param>
    public HostScorer(ScorerAddress address, ScoreOpening opening, ScoreOpened own, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(address);
        (Url, _opening, _time) = (address.Url, opening, time);
        _http = new HttpClient(new SocketsHttpHandler { ConnectTimeout = Pause, UseProxy = false, AllowAutoRedirect = false }) { BaseAddress = new Uri(address.Url), Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", address.Key);
        _opened = Task.Run(() => OpenAsync(own));
    }

    public string Url { get; }

    public bool IsReady => _opened.IsCompleted && LeftOut is null;

    /// <summary>Why it is never asked; null where it may be.</summary>
    public string? LeftOut { get; private set; }

    /// <summary>Sums that it gave.</summary>
    public long Scored { get; private set; }

    /// <summary>Completes when it may be asked, or will never be.</summary>
    public Task Opened => _opened;

    public async Task<IReadOnlyList<double>> SumsAsync(CutMask announced, IReadOnlyList<CutMask> masks, int batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(announced);
        ArgumentNullException.ThrowIfNull(masks);
        if (_isSuspect) await LookAsync(cancellationToken).ConfigureAwait(false);
        var began = _time.GetTimestamp();
        try
        {
            var share = new ScoreShare(MaskWords.Write(announced), [.. masks.Select(MaskWords.Write)], batch);
            var sums = (await PostAsync("score/sums", share, ScoreJson.Default.ScoreShare, ScoreJson.Default.ScoreSums, cancellationToken).ConfigureAwait(false)).Sums;
            if (sums.Length != masks.Count) throw new BatchScorerException($"{Url} gave {sums.Length} sums for {masks.Count} masks.");
            Scored += sums.Length;
            return sums;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            _isSuspect = _time.GetElapsedTime(began) > Suspicious;
            throw;
        }
    }

    public void Dispose()
    {
        _ending.Cancel();
        _http.Dispose();
        _ending.Dispose();
    }

    private async Task OpenAsync(ScoreOpened own)
    {
        var (began, ending) = (_time.GetTimestamp(), _ending.Token);
        while (true)
        {
            try
            {
                ending.ThrowIfCancellationRequested();
                var opened = await PostAsync("score/open", _opening, ScoreJson.Default.ScoreOpening, ScoreJson.Default.ScoreOpened, ending).ConfigureAwait(false);
                if (opened.Probe != own.Probe || !opened.Rows.AsSpan().SequenceEqual(own.Rows.AsSpan())) LeftOut = $"{Url} reckons otherwise than this machine (another processor, or a GPU on one side?): it is left out.";
                return;
            }
            catch (OperationCanceledException) when (ending.IsCancellationRequested)
            {
                LeftOut = $"{Url} was not ready when the search ended.";
                return;
            }
            catch (BatchScorerException exception) when (exception.InnerException is null || _time.GetElapsedTime(began) > OpeningPatience)
            {
                // It says no: asked again, it would say the same.
                LeftOut = exception.Message;
                return;
            }
            catch (BatchScorerException)
            {
                await Task.Delay(Pause, _time, ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(LookPatience, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            using var answer = await _http.GetAsync(new Uri("health", UriKind.Relative), either.Token).ConfigureAwait(false);
            _isSuspect = false;
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw new BatchScorerException($"{Url} is silent.", exception);
        }
    }

    private async Task<TAnswer> PostAsync<TAsked, TAnswer>(string path, TAsked asked, JsonTypeInfo<TAsked> askedType, JsonTypeInfo<TAnswer> answerType, CancellationToken cancellationToken)
    {
        try
        {
            using var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(asked, askedType)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            using var answer = await _http.PostAsync(new Uri(path, UriKind.Relative), content, cancellationToken).ConfigureAwait(false);
            var body = await answer.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
            if (answer.IsSuccessStatusCode) return JsonSerializer.Deserialize(body, answerType) ?? throw new JsonException("null");
            throw new BatchScorerException($"{Url}: {(int)answer.StatusCode} {Problem(body)}");
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException or IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new BatchScorerException($"{Url} does not answer: {exception.Message}", exception);
        }
    }

    private static string Problem(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, ScoreJson.Default.ScoreProblem)?.Error ?? "";
        }
        catch (JsonException)
        {
            return "";
        }
    }
}
