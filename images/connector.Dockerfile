# A connector's image, for people who build with Docker: the base image and one file. `airlock image build` makes the same without
# Docker, and takes the labels from the connector's metadata. images/README.md has the commands.
ARG BASE=airlock/base:0.1.0
FROM ${BASE}
# Given by BuildKit, and by podman and buildah. Docker's older builder wants --build-arg TARGETARCH=amd64.
ARG TARGETARCH
# Root's, and outside of what a connector may write to: no connector can change what will be loaded.
COPY connector.${TARGETARCH}.cwasm /connector/connector.cwasm
# The platform reads both: `dockerRepository` and `dockerImageTag` of the metadata.
ARG NAME
ARG VERSION
LABEL io.airbyte.name=${NAME} \
    io.airbyte.version=${VERSION}
