using FinerCut.Gateway.Storage;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace FinerCut.Gateway.Telemetry;

/// <summary>
/// Sends this program's meters and spans (<see cref="GatewayMetrics"/>, <see cref="GenAiTelemetry"/>; none of the libraries') to a collector, off the
/// requests' path. A collector that is away costs what it did not get. Disposed, it sends what is left.
/// </summary>
public sealed class OtlpExport : IDisposable
{
    private readonly MeterProvider? _metrics;
    private readonly TracerProvider? _traces;

    /// <param name="config">Without an endpoint nothing is made.</param>
    /// <param name="state">Tells this gateway from others in what is sent.</param>
    public OtlpExport(OtlpConfig config, StateFolder state)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(state);
        if (config.Endpoint is null) return;
        var interval = (int)config.Interval.TotalMilliseconds;
        var instance = $"{Environment.MachineName}:{state.FullPath}";
        _metrics = Sdk.CreateMeterProviderBuilder()
            .ConfigureResource(Describe)
            .AddMeter(PrometheusText.MeterPrefix + "*")
            .AddView(instrument => instrument.Unit == "s" ? new ExplicitBucketHistogramConfiguration { Boundaries = PrometheusText.Bounds } : null)
            .AddOtlpExporter((exporter, reader) =>
            {
                Aim(exporter, "v1/metrics");
                reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = interval;
            })
            .Build();
        _traces = Sdk.CreateTracerProviderBuilder()
            .ConfigureResource(Describe)
            .SetSampler(new TraceIdRatioBasedSampler(config.TraceShare))
            .AddSource(GenAiTelemetry.SourceName)
            .AddOtlpExporter(exporter =>
            {
                Aim(exporter, "v1/traces");
                exporter.BatchExportProcessorOptions.ScheduledDelayMilliseconds = interval;
            })
            .Build();

        void Describe(ResourceBuilder resource) =>
            resource.AddService("finercut-gateway", serviceVersion: typeof(OtlpExport).Assembly.GetName().Version?.ToString(3), serviceInstanceId: instance);

        void Aim(OtlpExporterOptions exporter, string path)
        {
            var overHttp = config.Protocol == OtlpProtocol.HttpProtobuf;
            exporter.Protocol = overHttp ? OtlpExportProtocol.HttpProtobuf : OtlpExportProtocol.Grpc;
            exporter.Endpoint = overHttp ? new Uri($"{config.Endpoint.AbsoluteUri.TrimEnd('/')}/{path}") : config.Endpoint;
            exporter.Headers = config.Headers;
        }
    }

    public void Dispose()
    {
        _metrics?.Dispose();
        _traces?.Dispose();
    }
}
