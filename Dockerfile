# syntax=docker/dockerfile:1
#
# The image of Colloquy: one program and what it links to, no shell, and a user without rights.
# How to run it, alone or as one of several, is in docs/operations.md.

FROM node:24-trixie-slim AS web
WORKDIR /build/web
# The packages alone, so that they are fetched again only when the lock file has changed.
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
# The types of the console's operations are made from the schema.
COPY schema.graphql /build/
COPY web ./
RUN npm run build

FROM rust:1.95-trixie AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs schema.graphql ./
COPY benches benches
COPY src src
COPY --from=web /build/web/dist web/dist
# What was compiled stays in the builder's cache, so that a change costs the crate and not its dependencies. Cargo goes
# by the times of files, and those of a fresh checkout may be older than the cache: so the crate is always said to have
# changed. A cache is no part of a layer: what the image takes has to be copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    touch build.rs src/lib.rs src/main.rs \
    && cargo build --release --locked --bin colloquy \
    && install -D -m 0755 target/release/colloquy /out/colloquy \
    && mkdir /out/data

FROM gcr.io/distroless/cc-debian13:nonroot
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Colloquy" \
      org.opencontainers.image.description="A GraphQL server for conversations between people and AI bots, with replies that stream and never lose a character." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/colloquy /usr/local/bin/colloquy
# Docker fills a new volume from what the image has there, its owner included.
COPY --from=build --chown=65532:65532 /out/data /data
# By number, because Kubernetes cannot tell that a name is not root's.
USER 65532:65532
WORKDIR /data
# A server that others can reach refuses to start without authentication, unless COLLOQUY_INSECURE_NO_AUTH=true says so
# in as many words. So this image does nothing by itself until somebody has decided that.
ENV COLLOQUY_LISTEN=0.0.0.0:8000 \
    COLLOQUY_STORE=/data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# Whether it lives, and not whether its store does: some orchestrators replace what is unhealthy, and a server that is
# replaced because MongoDB is away loses the replies that it could have finished.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 \
    CMD ["/usr/local/bin/colloquy", "health", "--live"]
ENTRYPOINT ["/usr/local/bin/colloquy"]
CMD ["serve"]
