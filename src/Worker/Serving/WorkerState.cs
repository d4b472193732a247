using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Serving;

internal enum WorkerPhase { Loading, Ready, Draining }

/// <summary>Where the worker is in its life. One writer (the serve verb), any number of readers.</summary>
internal sealed class WorkerState
{
    private volatile ServedModel? _model;
    private volatile bool _draining;

    public WorkerPhase Phase => _draining ? WorkerPhase.Draining : _model is null ? WorkerPhase.Loading : WorkerPhase.Ready;

    public string NotReadyMessage => _draining ? "Shutting down" : "Loading model";

    public void SetReady(ServedModel model) => _model = model;

    public void SetDraining() => _draining = true;

    /// <exception cref="ApiException">503 while the model loads or once the worker drains.</exception>
    public ServedModel Require() => Phase == WorkerPhase.Ready
        ? _model!
        : throw new ApiException(ApiError.Unavailable(NotReadyMessage, _draining ? "shutting_down" : "loading_model", 1));
}
