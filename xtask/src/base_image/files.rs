//! The files of the base image, and their owners. images/README.md lists them, and says why each is there.

use airlock_images::{LayerBuilder, Owner, Platform, contents};
use anyhow::Result;

use super::configuration::USER;
use super::licences;
use super::packages::Packages;

/// What the shell of Airbyte's pods calls: all of it is busybox.
const APPLETS: [&str; 8] = ["sh", "sleep", "mv", "cat", "echo", "kill", "touch", "mkfifo"];

/// Names from files and from the network's name servers, and nothing that would want a library to be loaded.
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// The layer of a platform, around its `airlock`.
pub fn layer(platform: Platform, airlock: Vec<u8>, packages: &Packages) -> Result<LayerBuilder> {
    let mut layer = LayerBuilder::new();
    layer.file(contents::AIRLOCK, 0o755, airlock);

    layer.file("/bin/busybox", 0o755, packages.busybox(platform)?);
    for applet in APPLETS {
        layer.link(&format!("/bin/{applet}"), "busybox");
    }

    let Owner { user, group } = Owner::AIRBYTE;
    let passwd = format!(
        "root:x:0:0:root:/:/sbin/nologin\n{USER}:x:{user}:{group}:{USER}:{}:/sbin/nologin\n",
        contents::AIRBYTE_DIRECTORY
    );
    layer.file("/etc/passwd", 0o644, passwd.into());
    layer.file("/etc/group", 0o644, format!("root:x:0:\n{USER}:x:{group}:\n").into());
    layer.file("/etc/nsswitch.conf", 0o644, NSSWITCH.into());
    layer.file("/etc/ssl/certs/ca-certificates.crt", 0o644, packages.certificates()?);

    layer.directory(contents::AIRBYTE_DIRECTORY, 0o755, Owner::AIRBYTE);
    // Airbyte's clients mount a directory at /local for connectors of files, whose guests see it as /airbyte/local. Without the link,
    // what they write would go with the container.
    layer.directory(&format!("{}/local", contents::AIRBYTE_DIRECTORY), 0o755, Owner::AIRBYTE);
    layer.link("/local", "airbyte/local");
    layer.directory(contents::CONNECTOR_DIRECTORY, 0o755, Owner::ROOT);
    layer.directory("/tmp", 0o1777, Owner::ROOT);

    layer.file("/usr/share/doc/airlock/copyright", 0o644, licences::copyright(platform)?);
    layer.file("/usr/share/doc/busybox/copyright", 0o644, packages.busybox_copyright(platform)?);
    layer.file("/usr/share/doc/ca-certificates/copyright", 0o644, packages.certificates_copyright()?);
    for licence in ["Apache-2.0", "GPL-2", "LGPL-2.1"] {
        layer.file(&format!("/usr/share/common-licenses/{licence}"), 0o644, packages.licence(licence)?);
    }
    Ok(layer)
}
