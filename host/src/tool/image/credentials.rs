//! Who to log in to a registry as: what Docker's configuration file says, with the helpers that it names, else Podman's. Knows
//! nothing of the way in which a registry is told.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde::Deserialize;

use super::reference::Problem;
use crate::protocol::secret_forms::forms;

/// What helpers print, by their protocol, for a registry that nobody logged in to.
const UNKNOWN_TO_HELPER: &str = "credentials not found";

/// A user of a registry.
pub struct Login {
    pub user: String,
    pub password: String,
    /// The file that names it, or its helper.
    pub file: PathBuf,
}

impl Login {
    /// A text without the password in any of the forms that a server may repeat it in.
    pub fn mask(&self, text: &str) -> String {
        let mut forms: Vec<String> = forms(&self.password).into_iter().collect();
        forms.extend(self::forms(&format!("{}:{}", self.user, self.password)));
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.iter().fold(text.to_owned(), |text, form| text.replace(form, "****"))
    }
}

/// The user of a registry. None where nobody logged in.
pub fn find(registry: &str) -> Result<Option<Login>, Problem> {
    for file in files() {
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => {
                return Err((
                    format!("{}, which has the credentials of registries, can not be read: {error}", file.display()),
                    "make it readable for you, or name the directory of another one with DOCKER_CONFIG".to_owned(),
                ));
            }
        };
        if let Some(login) = find_in(&bytes, &file, registry)? {
            return Ok(Some(login));
        }
    }
    Ok(None)
}

/// Docker's file, and Podman's, where they should be.
fn files() -> Vec<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = named("HOME");
    let docker = named("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
    let podman = named("REGISTRY_AUTH_FILE").map_or_else(
        || {
            let configured = named("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
            let directories = [named("XDG_RUNTIME_DIR"), configured].into_iter().flatten();
            directories.map(|directory| directory.join("containers/auth.json")).collect()
        },
        |file| vec![file],
    );
    docker.map(|directory| directory.join("config.json")).into_iter().chain(podman).collect()
}

/// The helpers that a file names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Helpers {
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

fn find_in(bytes: &[u8], file: &Path, registry: &str) -> Result<Option<Login>, Problem> {
    let helpers: Helpers = serde_json::from_slice(bytes)
        .map_err(|error| broken(file, &format!(": line {}, column {}", error.line(), error.column())))?;
    // Docker's own registry has the name in files and helpers that its first version had.
    let names: &[&str] =
        if registry == "docker.io" { &["https://index.docker.io/v1/", "index.docker.io"] } else { &[registry] };
    for name in names {
        match get_credential_from_reader(bytes, name) {
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                return Ok(Some(Login { user, password, file: file.to_owned() }));
            }
            Ok(DockerCredential::IdentityToken(_)) => {
                return Err((
                    format!(
                        "{} has an identity token for {registry}, and airlock knows user and password only",
                        file.display()
                    ),
                    format!("log in with those: {} --username NAME", login_command(registry)),
                ));
            }
            Err(CredentialRetrievalError::NoCredentialConfigured) => {}
            Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.contains(UNKNOWN_TO_HELPER) => {}
            Err(error) => return Err(failed(&error, file, name, &helpers)),
        }
    }
    Ok(None)
}

/// Neither what a helper printed nor what stands in the file is repeated: there may be a secret in it.
fn failed(error: &CredentialRetrievalError, file: &Path, name: &str, helpers: &Helpers) -> Problem {
    let of_registry =
        helpers.cred_helpers.as_ref().and_then(|helpers| helpers.get(name)).filter(|name| !name.is_empty());
    let helper =
        format!("docker-credential-{}", of_registry.or(helpers.creds_store.as_ref()).map_or("", String::as_str));
    let helper_problem = |what: &str, hint: String| {
        (format!("the credential helper {helper}, which {} names for {name}, {what}", file.display()), hint)
    };
    let see_yourself = format!("see what it says: echo {name} | {helper} get");
    match error {
        CredentialRetrievalError::HelperCommunicationError => helper_problem(
            "can not be run",
            format!(
                "install it in a directory of PATH, or take it out of the file and log in: {}",
                login_command(name)
            ),
        ),
        CredentialRetrievalError::HelperFailure { .. } => helper_problem("fails", see_yourself),
        CredentialRetrievalError::MalformedHelperResponse => {
            helper_problem("answers with something that is no user and password", see_yourself)
        }
        CredentialRetrievalError::CredentialDecodingError | CredentialRetrievalError::CredentialMismatchError => (
            format!("the credentials of {name} in {} can not be understood", file.display()),
            format!("log in again: {}", login_command(name)),
        ),
        _ => broken(file, ""),
    }
}

fn broken(file: &Path, why: &str) -> Problem {
    (
        format!("{} is no configuration file of Docker's{why}", file.display()),
        "repair it, or name the directory of another one with DOCKER_CONFIG".to_owned(),
    )
}

/// How people log in to a registry.
pub fn login_command(registry: &str) -> String {
    if registry.ends_with("docker.io") || registry.ends_with("docker.io/v1/") {
        "docker login".to_owned()
    } else {
        format!("docker login {registry}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in_text(text: &str, registry: &str) -> Result<Option<(String, String)>, Problem> {
        let found = find_in(text.as_bytes(), Path::new("/home/user/.docker/config.json"), registry)?;
        Ok(found.map(|login| (login.user, login.password)))
    }

    /// `user:secret-1`
    const AUTH: &str = "dXNlcjpzZWNyZXQtMQ==";

    #[test]
    fn a_registry_is_found_by_its_name_with_its_port() {
        let file = format!(r#"{{"auths": {{"localhost:5000": {{"auth": "{AUTH}"}}, "other.example": {{}}}}}}"#);
        let user = Some(("user".to_owned(), "secret-1".to_owned()));
        assert_eq!(find_in_text(&file, "localhost:5000").unwrap(), user);
        for other in ["localhost", "localhost:5001", "other.example", "docker.io"] {
            assert_eq!(find_in_text(&file, other).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn dockers_own_registry_has_many_names() {
        for name in ["https://index.docker.io/v1/", "docker.io", "index.docker.io"] {
            let file = format!(r#"{{"auths": {{"{name}": {{"auth": "{AUTH}"}}}}}}"#);
            assert!(find_in_text(&file, "docker.io").unwrap().is_some(), "{name}");
        }
    }

    #[test]
    fn what_can_not_be_used_is_told_without_what_stands_there() {
        let cases = [
            ("not JSON secret-1", "no configuration file"),
            ("[]", "no configuration file"),
            (r#""secret-1""#, "no configuration file"),
            (r#"{"auths": 5}"#, "no configuration file"),
            (r#"{"auths": {"r.example": {"auth": "secret-1"}}}"#, "can not be understood"),
            (r#"{"auths": {"r.example": {"identitytoken": "secret-1"}}}"#, "identity token"),
            (r#"{"credHelpers": {"r.example": "that-is-not-there"}}"#, "docker-credential-that-is-not-there"),
            (r#"{"credsStore": "that-is-not-there"}"#, "docker-credential-that-is-not-there"),
        ];
        for (file, expected) in cases {
            let (error, hint) = find_in_text(file, "r.example").unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(!format!("{error}{hint}").contains("secret-1"), "{error} {hint}");
            assert!(error.contains("/home/user/.docker/config.json"), "{error}");
        }
    }

    #[test]
    fn a_password_is_masked_in_what_a_registry_repeats() {
        let login = Login { user: "user".into(), password: "secret-1".into(), file: PathBuf::new() };
        let masked = login.mask(&format!("no: secret-1, Basic {AUTH}."));
        assert!(!masked.contains("secret-1") && !masked.contains(AUTH), "{masked}");
    }
}
