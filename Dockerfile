# FinerCut.Gateway. Targets: cpu (default), cuda12.
#   docker build --target cpu -t finercut .
#   docker run --rm -p 127.0.0.1:8080:8080 -v finercut:/state -e FINERCUT_Access__Key=fc-... finercut
# The gateway listens on all addresses in there, so it asks for a client key (docs/access.md).
ARG UBUNTU=24.04

FROM ubuntu:${UBUNTU} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates dotnet-sdk-10.0 nodejs npm \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
ARG LLAMA_RUNTIME=Native
ARG LLAMA_BACKEND=Cpu
RUN dotnet publish src/Gateway -c Release -o /app -p:LlamaRuntime=${LLAMA_RUNTIME} -p:LlamaBackend=${LLAMA_BACKEND}

FROM ubuntu:${UBUNTU} AS cpu
RUN apt-get update \
 && apt-get install -y --no-install-recommends aspnetcore-runtime-10.0 libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /state --create-home finercut
COPY --from=build /app /app
WORKDIR /app
USER 10001
VOLUME /state
ENV DOTNET_EnableDiagnostics=0 FINERCUT_State__Path=/state FINERCUT_Listen__Address=0.0.0.0
EXPOSE 8080
ENTRYPOINT ["/app/finercut"]

FROM nvidia/cuda:12.8.1-runtime-ubuntu${UBUNTU} AS cuda12
RUN apt-get update \
 && apt-get install -y --no-install-recommends aspnetcore-runtime-10.0 libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /state --create-home finercut
COPY --from=build /app /app
WORKDIR /app
USER 10001
VOLUME /state
ENV DOTNET_EnableDiagnostics=0 FINERCUT_State__Path=/state FINERCUT_Listen__Address=0.0.0.0
EXPOSE 8080
ENTRYPOINT ["/app/finercut"]
