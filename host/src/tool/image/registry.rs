//! Registries of container images: fetching a layout from one, and sending one there. Knows nothing of connectors, and of what is
//! in an image.

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use airlock_images::{Layout, Platform};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderValue;
use hyper_util::client::proxy::matcher::Matcher;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use oci_spec::image::{Descriptor, Digest, ImageIndex, ImageManifest, MediaType, Sha256Digest};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};

use super::credentials::{self, Login};
use super::reference::{self, is_loopback};
use super::refusal::{self, NOWHERE, Operation};
use crate::cli::people;

pub use super::reference::Problem;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a registry may take to go on.
const STALL: Duration = Duration::from_secs(60);

/// The pauses before a request is sent again.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_millis(1500), Duration::from_secs(4)];

/// What a manifest may be long, as registries have it.
const MAX_MANIFEST: u64 = 4 << 20;

/// What all of an image may be long: it is held in memory.
const MAX_IMAGE: u64 = 1 << 30;

/// How much is sent at once.
const PIECE: usize = 64 * 1024;

/// This machine, which no proxy is asked for.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// The kinds of manifests that are understood, Docker's among them: what was pushed by it has those.
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Fetches the image of a reference, for those of these platforms that it is for.
pub fn pull(reference: &str, platforms: &[Platform]) -> Result<Layout, Problem> {
    let reference = reference::parse(reference)?;
    people::progress(&format!("Fetching {reference}"));
    run(async { Registry::connect(reference, Operation::Pull).await?.pull(platforms).await })
}

/// Sends a layout's image to a reference: what it is made of first, and its name last. Gives the digest that the registry knows
/// it by.
pub fn push(layout: &Layout, reference: &Reference) -> Result<String, Problem> {
    let (reference, ours) = (reference.clone(), layout.root().digest().to_string());
    if reference.digest().is_some_and(|digest| digest != ours) {
        return Err((
            format!("{reference} is the name of another image than this one, which has the digest {ours}"),
            "name a tag".to_owned(),
        ));
    }
    people::progress(&format!("Sending to {reference}"));
    run(async { Registry::connect(reference, Operation::Push).await?.push(layout).await })
}

/// Runs it to its end on this thread.
fn run<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    // Done already where another pull was before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        (
            format!("this machine has nothing left for a connection: {error}"),
            "end other programs and try again".to_owned(),
        )
    })?;
    // The library takes some of what a registry answers for granted, and panics where it is something else.
    let print = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
    panic::set_hook(print);
    outcome.unwrap_or_else(|_| {
        Err((
            "the registry, or where it leads, answers as no registry should".to_owned(),
            "check the reference, and that a registry answers there".to_owned(),
        ))
    })
}

/// A registry and what is wanted of it.
struct Registry {
    client: Client,
    reference: Reference,
    login: Option<Login>,
    operation: Operation,
}

impl Registry {
    /// Finds out how the registry is spoken to, and logs in.
    async fn connect(reference: Reference, operation: Operation) -> Result<Registry, Problem> {
        let login = credentials::find(reference.registry())?;
        let address = reference.resolve_registry().to_owned();
        let client = client(ClientProtocol::Https, &address)?;
        let mut registry = Registry { client, reference, login, operation };
        match registry.log_in().await {
            // As Docker has it: a registry on this machine may do without HTTPS.
            Err(Failure::Registry(error)) if is_loopback(&address) && refusal::speaks_no_tls(&error) => {
                registry.client = client_without_tls(&address)?;
                registry.log_in().await.map_err(|failure| registry.problem(failure))?;
            }
            outcome => outcome.map_err(|failure| registry.problem(failure))?,
        }
        Ok(registry)
    }

    /// Gets tokens where the registry wants them. Without this the library goes on as nobody where that fails.
    async fn log_in(&self) -> Result<(), Failure> {
        let auth = self
            .login
            .as_ref()
            .map_or(RegistryAuth::Anonymous, |login| RegistryAuth::Basic(login.user.clone(), login.password.clone()));
        // What is to be sent is also asked for.
        let operations: &[RegistryOperation] = match self.operation {
            Operation::Pull => &[RegistryOperation::Pull],
            Operation::Push => &[RegistryOperation::Push, RegistryOperation::Pull],
        };
        for operation in operations {
            let token = self.request(async || self.client.auth(&self.reference, &auth, *operation).await).await?;
            // The library takes it for granted.
            if token.is_some_and(|token| HeaderValue::from_str(&token).is_err()) {
                return Err(OciDistributionError::RegistryTokenDecodeError(String::new()).into());
            }
        }
        Ok(())
    }

    async fn push(&self, layout: &Layout) -> Result<String, Problem> {
        let missing = |digest: &str| (format!("the image lacks {digest}"), "make the image anew".to_owned());
        let manifests = layout.manifests().map_err(|error| (format!("the image {error}"), error.hint().to_owned()))?;
        let mut sent = BTreeSet::new();
        for (_, manifest) in manifests {
            for part in manifest.layers().iter().chain([manifest.config()]) {
                let digest = part.digest().to_string();
                if !sent.insert(digest.clone()) {
                    continue;
                }
                let blob = layout.blob(&digest).ok_or_else(|| missing(&digest))?;
                let there = self.send_blob(&digest, blob).await.map_err(|failure| self.problem(failure))?;
                let how = if there { "is there" } else { "sent" };
                people::progress(&format!("  {} {how}, {} kB", short(&digest), blob.len().div_ceil(1000)));
            }
        }
        let root = layout.root();
        let ours = root.digest().to_string();
        // Each behind what it names, and the root last: from then on others see the image.
        let documents = manifests.iter().map(|(descriptor, _)| descriptor).chain(layout.indexes());
        let root_name = self.reference.tag().unwrap_or(&ours);
        for descriptor in documents {
            let digest = descriptor.digest().to_string();
            let bytes = layout.blob(&digest).ok_or_else(|| missing(&digest))?;
            let name = if descriptor.digest() == root.digest() { root_name } else { &digest };
            self.send_manifest(name, descriptor, bytes).await.map_err(|failure| self.problem(failure))?;
        }
        let named = self.named(root_name);
        let theirs =
            self.request(async || self.client.fetch_manifest_digest(&named, &RegistryAuth::Anonymous).await).await;
        let theirs = theirs.map_err(|failure| self.problem(failure))?;
        if theirs != ours {
            return Err((
                format!("{} has the digest {theirs} now, and {ours} was sent", self.reference),
                "somebody else may have sent another image, or the registry changes what it is sent: look at it there"
                    .to_owned(),
            ));
        }
        Ok(ours)
    }

    /// Sends a blob unless the registry has it. Gives whether it had.
    async fn send_blob(&self, digest: &str, blob: &[u8]) -> Result<bool, Failure> {
        let found = self.request(async || match self.client.blob_exists(&self.reference, digest).await {
            // What stands in the way of the question will also stand in the way of the answer to it, and be told then.
            Err(OciDistributionError::RequestError(error))
                if error.status().is_some_and(|status| status.is_client_error()) =>
            {
                Ok(false)
            }
            outcome => outcome,
        });
        if found.await? {
            return Ok(true);
        }
        let blob = Bytes::copy_from_slice(blob);
        let moved = Arc::new(AtomicU64::new(0));
        let send = async || {
            let (size, moved) = (blob.len(), moved.clone());
            let whole = blob.clone();
            let pieces = (0..size).step_by(PIECE).map(move |from| {
                moved.fetch_add(1, Ordering::Relaxed);
                Ok(whole.slice(from..size.min(from + PIECE)))
            });
            // In one piece for the registry: some know no other way.
            self.client.push_blob_stream(&self.reference, stream::iter(pieces), digest, Some(size as u64)).await
        };
        self.request_that_moves(&moved, send).await?;
        Ok(false)
    }

    async fn send_manifest(&self, name: &str, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), Failure> {
        let kind = HeaderValue::from_str(descriptor.media_type().as_ref())
            .map_err(|_| OciDistributionError::UnsupportedMediaTypeError(String::new()))?;
        let (named, bytes) = (self.named(name), Bytes::copy_from_slice(bytes));
        self.request(async || self.client.push_manifest_raw(&named, bytes.clone(), kind.clone()).await).await?;
        Ok(())
    }

    /// The same repository, with this tag or digest. A digest stands in a tag's place, for the library takes it for granted that
    /// what it pushes has a tag.
    fn named(&self, name: &str) -> Reference {
        let (registry, repository) = (self.reference.registry(), self.reference.repository());
        Reference::with_tag(registry.to_owned(), repository.to_owned(), name.to_owned())
    }

    async fn pull(&self, platforms: &[Platform]) -> Result<Layout, Problem> {
        let unknown = |_| {
            (
                format!("{} is of a kind that airlock does not know", self.reference),
                "check that this is the name of a container image".to_owned(),
            )
        };
        let mut left = MAX_IMAGE;
        let root = self.fetch_manifest(&self.reference, MAX_MANIFEST).await?;
        let kind: Kind = serde_json::from_slice(&root).map_err(unknown)?;
        let mut manifests = Vec::new();
        if kind.is_index() {
            let index: ImageIndex = serde_json::from_slice(&root).map_err(unknown)?;
            for entry in index.manifests().iter().filter(|entry| is_for(entry, platforms)) {
                let size = self.take(entry, MAX_MANIFEST, &mut left)?;
                let reference = self.reference.clone_with_digest(entry.digest().to_string());
                manifests.push(self.fetch_manifest(&reference, size).await?);
            }
        } else {
            manifests.push(root.clone());
        }
        let mut blobs = Vec::new();
        let mut fetched = BTreeSet::new();
        for manifest in &manifests {
            let manifest: ImageManifest = serde_json::from_slice(manifest).map_err(unknown)?;
            for part in manifest.layers().iter().chain([manifest.config()]) {
                if fetched.insert(part.digest().to_string()) {
                    let size = self.take(part, MAX_IMAGE, &mut left)?;
                    blobs.push(self.fetch_blob(part, size).await.map_err(|failure| self.problem(failure))?);
                    let digest = part.digest().to_string();
                    people::progress(&format!("  {} fetched, {} kB", short(&digest), size.div_ceil(1000)));
                }
            }
        }
        let descriptor = Descriptor::new(kind.media_type(), root.len() as u64, digest_of(&root));
        blobs.append(&mut manifests);
        blobs.push(root);
        Layout::from_blobs(descriptor, blobs, Some(self.reference.clone()))
            .map_err(|error| (format!("{} {error}", self.reference), error.hint().to_owned()))
    }

    /// Room for a part of the image.
    fn take(&self, part: &Descriptor, most: u64, left: &mut u64) -> Result<u64, Problem> {
        let size = part.size();
        *left = left.checked_sub(size).filter(|_| size <= most).ok_or_else(|| {
            (
                format!("{} is larger than what airlock takes, {} MB", self.reference, MAX_IMAGE / 1_000_000),
                "choose a smaller image".to_owned(),
            )
        })?;
        Ok(size)
    }

    /// A manifest, no longer than this and, where the reference has a digest, with that.
    async fn fetch_manifest(&self, reference: &Reference, most: u64) -> Result<Vec<u8>, Problem> {
        let fetch = async || self.client.pull_manifest_raw(reference, &RegistryAuth::Anonymous, &MANIFESTS).await;
        let (bytes, _) = self.request(fetch).await.map_err(|failure| self.problem(failure))?;
        if bytes.len() as u64 > most {
            return Err((format!("the manifest of {reference} is too long"), "choose another image".to_owned()));
        }
        Ok(bytes.to_vec())
    }

    /// A blob that is as long as its descriptor says. The library checks its digest.
    async fn fetch_blob(&self, part: &Descriptor, size: u64) -> Result<Vec<u8>, Failure> {
        let digest = part.digest().to_string();
        let moved = AtomicU64::new(0);
        let fetch = async || {
            let mut pieces = self.client.pull_blob_stream(&self.reference, digest.as_str()).await?;
            let mut blob = Vec::new();
            while let Some(piece) = pieces.next().await {
                blob.extend_from_slice(&piece?);
                moved.fetch_add(1, Ordering::Relaxed);
                if blob.len() as u64 > size {
                    let problem = format!("{digest} is longer than the image says");
                    return Err(OciDistributionError::SpecViolationError(problem));
                }
            }
            Ok(blob)
        };
        self.request_that_moves(&moved, fetch).await
    }

    async fn request<T>(&self, send: impl AsyncFn() -> Result<T, OciDistributionError>) -> Result<T, Failure> {
        self.request_that_moves(&AtomicU64::new(0), send).await
    }

    /// Sends a request, and sends it again where the registry fails for a while. `moved` counts what shows that it goes on.
    async fn request_that_moves<T>(
        &self,
        moved: &AtomicU64,
        send: impl AsyncFn() -> Result<T, OciDistributionError>,
    ) -> Result<T, Failure> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let error = match unless_stalled(STALL, moved, send()).await {
                None => return Err(Failure::Stalled),
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(error)) => error,
            };
            let Some(pause) = pauses.next().filter(|_| refusal::may_pass(&error)) else { return Err(error.into()) };
            people::progress(&format!(
                "  {} fails; trying again in {} ms",
                self.reference.registry(),
                pause.as_millis()
            ));
            tokio::time::sleep(pause).await;
        }
    }

    fn problem(&self, failure: Failure) -> Problem {
        match failure {
            Failure::Stalled => refusal::stalled(self.reference.registry(), STALL.as_secs()),
            Failure::Registry(error) => refusal::problem(&error, &self.reference, self.login.as_ref(), self.operation),
        }
    }
}

/// Why a request came to nothing.
enum Failure {
    /// The registry did not go on.
    Stalled,
    /// It refused or failed, or was not there.
    Registry(OciDistributionError),
}

impl From<OciDistributionError> for Failure {
    fn from(error: OciDistributionError) -> Failure {
        Failure::Registry(error)
    }
}

/// What comes of `work`, unless it neither ends nor moves for so long.
async fn unless_stalled<T>(limit: Duration, moved: &AtomicU64, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    loop {
        let before = moved.load(Ordering::Relaxed);
        match tokio::time::timeout(limit, &mut work).await {
            Ok(outcome) => return Some(outcome),
            Err(_) if moved.load(Ordering::Relaxed) == before => return None,
            Err(_) => {}
        }
    }
}

/// Speaks to the registry at this address, and to where it leads. Certificates are the system's, or those that SSL_CERT_FILE
/// names.
fn client(protocol: ClientProtocol, address: &str) -> Result<Client, Problem> {
    let config = ClientConfig {
        protocol,
        use_monolithic_push: true,
        connect_timeout: Some(CONNECT),
        user_agent: concat!("airlock/", env!("CARGO_PKG_VERSION")),
        https_proxy: proxy_of(address),
        // The library would follow a registry to plain HTTP, with what is asked for or with the password.
        http_proxy: Some(format!("http://{NOWHERE}")),
        // Only a registry on this machine may lead to what else is on it.
        no_proxy: is_loopback(address).then(|| LOOPBACK.to_owned()),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|error| refusal::no_client(&error))
}

fn client_without_tls(address: &str) -> Result<Client, Problem> {
    client(ClientProtocol::HttpsExcept(vec![address.to_owned()]), address)
}

/// The proxy that the environment names for this registry. Where the registry leads to is reached in the same way.
fn proxy_of(address: &str) -> Option<String> {
    let uri = format!("https://{address}/").parse().ok()?;
    Matcher::from_env().intercept(&uri)?;
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    names.into_iter().filter_map(|name| std::env::var(name).ok()).find(|proxy| !proxy.is_empty())
}

/// What tells an index from a manifest. The type need not stand there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<MediaType>,
    manifests: Option<IgnoredAny>,
}

impl Kind {
    fn is_index(&self) -> bool {
        self.manifests.is_some()
    }

    fn media_type(self) -> MediaType {
        let usual = if self.is_index() { MediaType::ImageIndex } else { MediaType::ImageManifest };
        self.media_type.unwrap_or(usual)
    }
}

/// Whether an entry of an index is for one of these platforms, or may be: not all say so. What belongs to an image without being
/// one (its signature, how it was built) is for none.
fn is_for(entry: &Descriptor, platforms: &[Platform]) -> bool {
    let Some(platform) = entry.platform() else { return true };
    let (os, architecture) = (platform.os().to_string(), platform.architecture().to_string());
    let found = Platform::of(&os, &architecture, platform.variant().as_deref());
    found.is_some_and(|platform| platforms.contains(&platform))
}

fn digest_of(bytes: &[u8]) -> Digest {
    match Sha256Digest::from_str(&format!("{:x}", Sha256::digest(bytes))) {
        Ok(digest) => digest.into(),
        Err(error) => unreachable!("it has 64 digits: {error}"),
    }
}

/// A digest as people compare it.
fn short(digest: &str) -> &str {
    digest.get(.."sha256:".len() + 12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    #[test]
    fn what_moves_may_take_its_time_and_what_does_not_is_given_up() {
        let limit = Duration::from_millis(20);
        let moved = AtomicU64::new(0);
        let moves = async {
            for _ in 0..4 {
                tokio::time::sleep(limit / 2).await;
                moved.fetch_add(1, Ordering::Relaxed);
            }
        };
        assert_eq!(block_on(async { unless_stalled(limit, &moved, moves).await }), Some(()));
        let stands = std::future::pending::<()>();
        assert_eq!(block_on(async { unless_stalled(limit, &moved, stands).await }), None);
    }

    #[test]
    fn what_is_fetched_of_an_index_is_for_the_platforms_that_are_wanted_or_may_be() {
        let entry = |platform: &str| -> Descriptor {
            let digest = format!("sha256:{}", "0".repeat(64));
            let fields = format!(
                r#""mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1, "digest": "{digest}""#
            );
            serde_json::from_str(&format!("{{{fields}{platform}}}")).unwrap()
        };
        let of = |os: &str, architecture: &str| {
            entry(&format!(r#", "platform": {{"os": "{os}", "architecture": "{architecture}"}}"#))
        };
        assert!(is_for(&of("linux", "amd64"), &Platform::ALL));
        assert!(is_for(&entry(""), &Platform::ALL));
        for other in [of("linux", "s390x"), of("windows", "amd64"), of("unknown", "unknown")] {
            assert!(!is_for(&other, &Platform::ALL), "{other:?}");
        }
        assert!(!is_for(&of("linux", "amd64"), &[Platform::LinuxArm64]));
    }
}
