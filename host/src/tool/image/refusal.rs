//! What a registry's refusals and failures mean, and what to do about each. Knows nothing of what was being sent or fetched.

use std::error::Error;
use std::io;

use oci_client::errors::{DigestError, OciDistributionError, OciEnvelope, OciErrorCode};
use oci_spec::distribution::Reference;

use super::credentials::{Login, login_command};
use super::reference::Problem;
use crate::cli::people::printable;

/// How much of a registry's own words is repeated.
const WORDS: usize = 300;

/// Where plain HTTP is sent that is not for this machine: nothing can be there.
pub const NOWHERE: &str = "127.0.0.1:0";

/// What was done when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Pull,
    Push,
}

/// Whether the same request may be answered in a while.
pub fn may_pass(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::RequestError(error) if error.status().is_none() => {
            // A connection that broke, and not one that never was.
            let cut_off = find::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message);
            !error.is_connect() && (cut_off || find::<io::Error>(error).is_some())
        }
        error => status(error).is_some_and(|status| status == 429 || status >= 500),
    }
}

/// Whether a server is there, and speaks no TLS.
pub fn speaks_no_tls(error: &OciDistributionError) -> bool {
    let OciDistributionError::RequestError(error) = error else { return false };
    // One may be wrapped in another.
    let broke_off = causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| matches!(cause.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset));
    let not_tls = match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(_)) => false,
        Some(_) => true,
        None => broke_off,
    };
    error.is_connect() && not_tls
}

/// Whether somebody led to plain HTTP away from this machine. The library says only what it could not connect to.
fn leads_to_plain_http(error: &(dyn Error + 'static)) -> bool {
    format!("{error:?}").contains(NOWHERE)
}

/// What to tell of a request for `reference`.
pub fn problem(
    error: &OciDistributionError,
    reference: &Reference,
    login: Option<&Login>,
    operation: Operation,
) -> Problem {
    let registry = reference.registry();
    let words = words(error).map(|words| shown(&words, login)).unwrap_or_default();
    match status(error) {
        Some(status) => refused(status, &words, reference, login, operation),
        None => match error {
            OciDistributionError::RequestError(cause) => {
                unreached(cause, cause.is_timeout(), speaks_no_tls(error), registry)
            }
            OciDistributionError::DigestError(DigestError::VerificationError { expected, .. }) => {
                damaged(registry, expected)
            }
            OciDistributionError::IoError(error) => match find::<DigestError>(error) {
                Some(DigestError::VerificationError { expected, .. }) => damaged(registry, expected),
                _ => (
                    format!("{registry} broke off in the middle of an answer: {}", deepest(error)),
                    "try again".to_owned(),
                ),
            },
            OciDistributionError::SpecViolationError(problem) => (
                format!("{registry} answers as no registry should: {problem}"),
                "check that this is the address of a registry of container images, and ask those who run it".to_owned(),
            ),
            _ => (
                format!("{registry} answers as no registry should{words}"),
                "check that this is the address of a registry of container images".to_owned(),
            ),
        },
    }
}

/// What to tell where no connection can even be tried.
pub fn no_client(error: &OciDistributionError) -> Problem {
    (
        format!("no registry can be spoken to: {}", deepest(error)),
        "install your system's certificates, or name some with SSL_CERT_FILE=FILE; a proxy is http://HOST:PORT"
            .to_owned(),
    )
}

/// What to tell of a registry that says nothing for so many seconds.
pub fn stalled(registry: &str, seconds: u64) -> Problem {
    (
        format!("{registry} has not gone on for {seconds} seconds"),
        "try again; if it stays so, ask those who run the registry".to_owned(),
    )
}

fn refused(status: u16, words: &str, reference: &Reference, login: Option<&Login>, operation: Operation) -> Problem {
    let (registry, repository) = (reference.registry(), reference.repository());
    let log_in = login_command(registry);
    let may = match operation {
        Operation::Pull => "read",
        Operation::Push => "write to",
    };
    match (status, login) {
        (401, None) => (
            format!("{registry} lets nobody {may} {repository} without credentials{words}"),
            format!("log in first: {log_in} (or podman login)"),
        ),
        (401, Some(login)) => (
            format!("{registry} refuses the credentials of {} in {}{words}", login.user, login.file.display()),
            format!("log in again: {log_in} (or podman login), as somebody who may {may} {repository}"),
        ),
        (403, _) => (
            format!(
                "{registry} does not let {} {may} {repository}{words}",
                login.map_or("anybody", |login| &login.user)
            ),
            format!("ask its owner, or log in as somebody who may: {log_in}"),
        ),
        (404, _) if operation == Operation::Pull => (
            format!("{reference} is not there{words}"),
            format!("check the name and the tag; what needs a login may be hidden without one: {log_in}"),
        ),
        (404, _) => (
            format!("{registry} has no repository {repository}{words}"),
            "check the name; some registries want a repository to be made there first".to_owned(),
        ),
        (429, _) => (
            format!("{registry} says that there were too many requests{words}"),
            format!("wait some minutes; registries allow more to those who log in: {log_in}"),
        ),
        (500.., _) => (
            format!("{registry} fails with status {status}{words}"),
            "try again later; if it stays so, ask those who run the registry".to_owned(),
        ),
        _ => (
            format!("{registry} answers with status {status}{words}"),
            "check that this is the address of a registry, and that it takes images of this kind".to_owned(),
        ),
    }
}

fn damaged(registry: &str, digest: &str) -> Problem {
    (
        format!("what {registry} sent for {digest} is something else"),
        "do not use this image; push it anew, or ask those who run the registry".to_owned(),
    )
}

/// The URL stays unsaid: in the query of one that a registry leads to there may be a key.
fn unreached(error: &(dyn Error + 'static), in_vain: bool, no_tls: bool, registry: &str) -> Problem {
    const PLAIN: &str = "plain HTTP is for registries on this machine only";
    let why = deepest(error);
    if leads_to_plain_http(error) {
        return (
            format!("{registry} leads to an address of plain HTTP, where anybody could listen"),
            format!("{PLAIN}: ask those who run the registry"),
        );
    }
    if no_tls {
        return (format!("{registry} does not speak HTTPS: {why}"), format!("{PLAIN}: give this one a certificate"));
    }
    if let Some(rustls::Error::InvalidCertificate(_)) = find(error) {
        return (
            format!("{registry} can not show who it is: {why}"),
            "if its certificate is of a private authority, name that one's with SSL_CERT_FILE=FILE".to_owned(),
        );
    }
    (
        if in_vain { format!("{registry} does not answer") } else { format!("{registry} can not be reached: {why}") },
        "check its name and this machine's network; HTTPS_PROXY names a proxy".to_owned(),
    )
}

/// The status of an answer, by what the library made of it.
fn status(error: &OciDistributionError) -> Option<u16> {
    match error {
        OciDistributionError::RequestError(error) => error.status().map(|status| status.as_u16()),
        OciDistributionError::ServerError { code, .. } => Some(*code),
        // The server of tokens: the library keeps its words and not its status.
        OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. } => Some(401),
        OciDistributionError::RegistryError { envelope, .. } => {
            Some(match envelope.errors.first().map(|error| &error.code) {
                Some(OciErrorCode::Unauthorized) => 401,
                Some(OciErrorCode::Denied) => 403,
                Some(
                    OciErrorCode::ManifestUnknown
                    | OciErrorCode::NameUnknown
                    | OciErrorCode::NotFound
                    | OciErrorCode::BlobUnknown,
                ) => 404,
                Some(OciErrorCode::Toomanyrequests) => 429,
                _ => 400,
            })
        }
        _ => None,
    }
}

/// What the registry itself says, where it says so as registries do.
fn words(error: &OciDistributionError) -> Option<String> {
    let of_envelope = |envelope: &OciEnvelope| {
        let messages = envelope.errors.iter().map(|error| error.message.as_str());
        messages.filter(|message| !message.is_empty()).collect::<Vec<_>>().join("; ")
    };
    match error {
        OciDistributionError::RegistryError { envelope, .. } => Some(of_envelope(envelope)),
        OciDistributionError::ServerError { message, .. } | OciDistributionError::AuthenticationFailure(message) => {
            serde_json::from_str(message).ok().as_ref().map(of_envelope)
        }
        _ => None,
    }
}

/// A registry's words behind one's own.
fn shown(words: &str, login: Option<&Login>) -> String {
    if words.is_empty() {
        return String::new();
    }
    // Masked before it is cut, or half a password would be shown.
    let words = login.map_or_else(|| words.to_owned(), |login| login.mask(words));
    let words: String = words.chars().take(WORDS).collect();
    format!(" ({})", printable(&words))
}

/// The first of an error's causes that is a `T`. An `io::Error` does not name what it is made of as its cause.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        within.map(|within| within as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

/// What is behind all the wrappings.
fn deepest(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
