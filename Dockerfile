# Fastpath as a container: one binary, one volume, no shell needed.
#
#   docker build -t fastpath .
#   podman build --format docker -t fastpath .     (the OCI format has no place for HEALTHCHECK)

# Both have the same C library. Any image with cargo and a C compiler builds; any image with glibc and
# libgcc runs what it built.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG RUN_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
# For builds that are different, such as without a network: "--offline".
ARG CARGO_ARGUMENTS=""
WORKDIR /build
# The dependencies on their own, around an empty program: this layer lasts until Cargo.lock changes.
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir -p src tests benches migrations \
    && touch src/lib.rs tests/main.rs benches/delivery.rs benches/store.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked --bin fastpath ${CARGO_ARGUMENTS}
COPY src src
COPY static static
COPY templates templates
COPY migrations migrations
# The sources may be older than the empty program, and would be taken for built.
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked --bin fastpath ${CARGO_ARGUMENTS} \
    && mkdir data

FROM ${RUN_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="Fastpath" \
      org.opencontainers.image.description="A mail relay that delivers a message before it says 250" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# For webhooks over HTTPS; the base image may have none.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /build/data /data
COPY --from=build /build/target/release/fastpath /usr/local/bin/fastpath
ENV FASTPATH_CONTAINER=yes \
    FASTPATH_DATA_DIR=/data \
    FASTPATH_SMTP_LISTEN=0.0.0.0:2525 \
    FASTPATH_WEB_LISTEN=0.0.0.0:8025
# A number, so that an orchestrator can see that it is not root.
USER 65532:65532
VOLUME /data
EXPOSE 2525 8025
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/fastpath", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/fastpath"]
CMD ["serve"]
