# syntax=docker/dockerfile:1

FROM node:22-bookworm-slim AS web
WORKDIR /web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM rust:1.95-bookworm AS program
WORKDIR /source
COPY . .
COPY --from=web /web/dist /web
# There is no .git here: docker build --build-arg METROGRAPH_COMMIT="$(git rev-parse HEAD)" .
ARG METROGRAPH_COMMIT=""
ENV METROGRAPH_COMMIT=$METROGRAPH_COMMIT METROGRAPH_WEB_DIST=/web
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --profile dist --locked --bin metrograph && install -D target/dist/metrograph /out/metrograph

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Metrograph" \
      org.opencontainers.image.description="The history of your pytest runs as a graph" \
      org.opencontainers.image.licenses="MIT"
# curl asks for the health, certificates are for a PostgreSQL over TLS. Debian removes a version when it has the next one.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 metrograph \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/metrograph --shell /usr/sbin/nologin metrograph \
    && install -d -o metrograph -g metrograph -m 0750 /var/lib/metrograph
COPY --from=program /out/metrograph /usr/local/bin/metrograph
# By number, as Kubernetes wants it where root is refused.
USER 10001:10001
WORKDIR /var/lib/metrograph
VOLUME /var/lib/metrograph
ENV METROGRAPH_LISTEN=0.0.0.0:8181 \
    METROGRAPH_DATABASE_URL=sqlite:///var/lib/metrograph/metrograph.db?mode=rwc
EXPOSE 8181
# A stop takes 9 seconds at most, one less than Docker waits.
STOPSIGNAL SIGTERM
# With a certificate (--tls-cert) the address begins with https, and curl takes -k.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8181/health/ready"]
ENTRYPOINT ["metrograph"]
