using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Serving;

internal enum WorkerPhase { Loading, Ready, Sleeping, Draining }

/// <summary>Where the worker is in its life. One writer (the serve verb), any number of readers.</summary>
internal sealed class WorkerState(Wakefulness wakefulness)
{
    private volatile ServedModel? _model;
    private volatile bool _draining;
    private volatile bool _sleeping;

    public WorkerPhase Phase => _draining ? WorkerPhase.Draining : _model is null ? WorkerPhase.Loading : _sleeping ? WorkerPhase.Sleeping : WorkerPhase.Ready;

    public string NotReadyMessage => _draining ? "Shutting down" : "Loading model";

    public Wakefulness Wakefulness => wakefulness;

    public void SetReady(ServedModel model)
    {
        _model = model;
        _sleeping = false;
        wakefulness.Woken();
    }

    /// <summary>The model is about to be disposed; what it says of itself stays.</summary>
    public void SetSleeping() => _sleeping = true;

    public void SetDraining() => _draining = true;

    /// <exception cref="ApiException">503 while the model loads or once the worker drains.</exception>
    public ServedModel Require() => Phase == WorkerPhase.Ready ? _model! : throw NotReady();

    /// <summary>What there is to say of the model, asleep or not: its names, figures and texts, never the library.</summary>
    /// <exception cref="ApiException">503 while the model loads or once the worker drains.</exception>
    public ServedModel Describe() => Phase is WorkerPhase.Ready or WorkerPhase.Sleeping ? _model! : throw NotReady();

    private ApiException NotReady() => new(ApiError.Unavailable(NotReadyMessage, _draining ? "shutting_down" : "loading_model", 1));
}
