# One image for each program: PROGRAM, statically linked, and nothing else.
#
#   docker build --build-arg PROGRAM=orders --tag tributary-orders:local .
#
# `make images` builds all of them. BINARIES says where the programs come from: `compiled` compiles this checkout,
# once for all images; `prebuilt` takes them from the build context, which is then a directory of programs.
# Needs BuildKit, which alone leaves out the stage that is not asked for.
ARG BINARIES=compiled
ARG RUST=1.95

FROM rust:${RUST}-slim-bookworm AS compiled
WORKDIR /source
COPY . .
# The caches outlive the layer: what did not change is neither fetched nor compiled again. Names of functions are kept
# for backtraces; line numbers would make an image three times as large.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_STRIP=debuginfo \
    cargo build --release --locked --workspace --bins \
    && mkdir /programs \
    && find target/*/release -maxdepth 1 -type f -executable -exec cp {} /programs/ \;

FROM scratch AS prebuilt
ARG PROGRAM
COPY ${PROGRAM} /programs/

FROM ${BINARIES} AS binaries

FROM scratch
ARG PROGRAM
COPY --from=binaries /programs/${PROGRAM} /program
# By number, so that a cluster can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["/program"]
