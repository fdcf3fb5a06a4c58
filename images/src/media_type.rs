//! Docker had its own names for the kinds of content in an image, and still writes them. They mean the same as OCI's.

use oci_spec::image::MediaType;

/// OCI's name for what has one of Docker's; any other stays.
pub fn oci(media_type: &MediaType) -> MediaType {
    match media_type.as_ref() {
        "application/vnd.docker.distribution.manifest.list.v2+json" => MediaType::ImageIndex,
        "application/vnd.docker.distribution.manifest.v2+json" => MediaType::ImageManifest,
        "application/vnd.docker.container.image.v1+json" => MediaType::ImageConfig,
        "application/vnd.docker.image.rootfs.diff.tar" => MediaType::ImageLayer,
        "application/vnd.docker.image.rootfs.diff.tar.gzip" => MediaType::ImageLayerGzip,
        "application/vnd.docker.image.rootfs.diff.tar.zstd" => MediaType::ImageLayerZstd,
        _ => media_type.clone(),
    }
}
