# One image with all eight programs; compose and Kubernetes choose by command.
FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bins \
    && mkdir /out \
    && for program in lokahid lokahictl healthworker webhookworker \
           sample_hook slack_hook discord_hook duke-of-york; do \
           cp "target/release/$program" /out/ || exit 1; \
       done

# git: revisions, and CHECKS_GIT. jq: the jobs of examples/ci.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git jq \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --no-create-home --uid 10001 lokahi
COPY --from=build /out/ /usr/local/bin/
USER lokahi
CMD ["lokahid"]
