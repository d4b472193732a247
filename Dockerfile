# FinerCut.Gateway. Targets: cpu (default), cuda12. Build argument LLAMA_RUNTIME: Native (default) or LLamaSharp (docs/runtimes.md).
#   docker build --target cpu -t finercut .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8080:8080 -v finercut:/state -e FINERCUT_Access__Key=fc-... finercut
# The gateway listens on all addresses in there, so it asks for a client key (docs/access.md).

# Node.js 20 or newer: an older npm leaves the natives out, since they ask for it and are optional.
FROM ubuntu:26.04 AS source
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates dotnet-sdk-10.0 nodejs npm \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
ARG LLAMA_RUNTIME=Native

FROM source AS build-cpu
RUN dotnet publish src/Gateway -c Release -o /app -p:LlamaRuntime="${LLAMA_RUNTIME}" \
 && dotnet publish src/Cluster -c Release -o /app/cluster -p:LlamaRuntime="${LLAMA_RUNTIME}" \
 && node build/sbom.mjs /app > /tmp/sbom.cdx.json && mv /tmp/sbom.cdx.json /app/

FROM source AS build-cuda12
RUN if [ "${LLAMA_RUNTIME}" = LLamaSharp ]; then backend=Cuda12; else backend=Cuda; fi \
 && dotnet publish src/Gateway -c Release -o /app -p:LlamaRuntime="${LLAMA_RUNTIME}" -p:LlamaBackend="${backend}" \
 && dotnet publish src/Cluster -c Release -o /app/cluster -p:LlamaRuntime="${LLAMA_RUNTIME}" -p:LlamaBackend="${backend}" \
 && node build/sbom.mjs /app > /tmp/sbom.cdx.json && mv /tmp/sbom.cdx.json /app/

FROM ubuntu:26.04 AS cpu
RUN apt-get update \
 && apt-get install -y --no-install-recommends aspnetcore-runtime-10.0 libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 finercut \
 && useradd --system --uid 10001 --gid 10001 --home-dir /state --create-home finercut
COPY --from=build-cpu /app /app
WORKDIR /app
USER 10001:10001
VOLUME ["/state", "/models"]
ENV DOTNET_EnableDiagnostics=0 FINERCUT_State__Path=/state FINERCUT_Listen__Address=0.0.0.0 FINERCUT_Access__LoopbackWithoutKey=false
EXPOSE 8080
# Alive, not ready: a model that fails is the gateway's to mend, and whoever restarts unhealthy containers would hit the others.
HEALTHCHECK --interval=10s --timeout=6s --start-period=5m --retries=6 CMD ["/app/finercut", "health", "--live"]
ENTRYPOINT ["/app/finercut"]

# CUDA 12's runtime and cuBLAS; the driver comes with the container runtime (--gpus all).
FROM nvidia/cuda:12.8.1-runtime-ubuntu24.04 AS cuda12
RUN apt-get update \
 && apt-get install -y --no-install-recommends aspnetcore-runtime-10.0 libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 finercut \
 && useradd --system --uid 10001 --gid 10001 --home-dir /state --create-home finercut
COPY --from=build-cuda12 /app /app
WORKDIR /app
USER 10001:10001
VOLUME ["/state", "/models"]
ENV DOTNET_EnableDiagnostics=0 FINERCUT_State__Path=/state FINERCUT_Listen__Address=0.0.0.0 FINERCUT_Access__LoopbackWithoutKey=false
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=5m --retries=6 CMD ["/app/finercut", "health", "--live"]
ENTRYPOINT ["/app/finercut"]

# Without --target the processor's image is made.
FROM cpu
