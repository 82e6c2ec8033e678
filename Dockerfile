# One image for every service: `docker run … portfolios`, or SERVICES=portfolios,accounts.
# Only what runs is in it: Node, the C library that it stands on, our TypeScript and its production dependencies. No
# shell, no package manager. A test builds the same tree by these steps and runs it: test/image.

# The official image of the Node that package.json names. A mirror's: --build-arg NODE_IMAGE=registry.example/node:…
ARG NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
# Where packages come from, unless it is npm's default.
ARG NPM_CONFIG_REGISTRY
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=peer --omit=optional --ignore-scripts --no-audit --no-fund
COPY scripts/release/prune.ts scripts/release/root-filesystem.ts scripts/release/
RUN node scripts/release/prune.ts node_modules
COPY moleculer.config.ts ./
COPY services/ services/
COPY scripts/migrate.ts scripts/
COPY scripts/release/probe.ts scripts/release/
RUN node scripts/release/root-filesystem.ts image

FROM scratch
COPY --from=build /build/image/ /
WORKDIR /app
# HOME: a user whom /etc/passwd does not know has none otherwise, and graphile-worker asks for it.
ENV PATH=/usr/local/bin HOME=/app NODE_ENV=production LOG_FORMAT=json
# A number, so that Kubernetes can see that it is not root. Any other number works as well.
USER 10001:10001
EXPOSE 3000 3030
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["node", "scripts/release/probe.ts", "/health"]
ENTRYPOINT ["node", "services/main.ts"]

ARG VERSION=development
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Crypto Pocket Butler" \
      org.opencontainers.image.description="All services of the backend of Crypto Pocket Butler; arguments or SERVICES choose which ones run." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="scratch"
