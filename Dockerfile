# The manager and the licences of what it holds, in an image of nothing else: a static binary, no shell, no libraries. It reaches the
# API server by the authority that its pod is given, so it needs no certificates of its own either.
#
# BINARY says where the binary comes from: "build" compiles it here, "host" takes what
# make bin/image has cross-compiled, which needs no base image. BuildKit skips the other stage.
ARG BINARY=build
ARG GO_VERSION=1.26

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH LDFLAGS="-s -w"
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -buildvcs=false -tags=grpcnotrace -trimpath -ldflags "$LDFLAGS" -o /out/manager ./cmd/manager
# What its licences ask to be passed on with it.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    install -D -m 644 LICENSE /out/licenses/LICENSE && \
    GOFLAGS="-buildvcs=false -tags=grpcnotrace" go -C hack/tools run ./licences -platforms "$TARGETOS/$TARGETARCH" \
      -texts /out/licenses/THIRD_PARTY_LICENSES.txt /src ./cmd/manager

FROM scratch AS host
ARG TARGETOS TARGETARCH
COPY bin/image/$TARGETOS-$TARGETARCH /out

FROM ${BINARY} AS binary

FROM scratch
ARG VERSION=dev COMMIT=unknown
LABEL org.opencontainers.image.title="towpath-manager" \
      org.opencontainers.image.description="Towpath's controllers and admission webhooks" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/towpath-dev/towpath" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=binary /out /
# By number: the kubelet can then tell that it is not root.
USER 65532:65532
ENTRYPOINT ["/manager"]
