//! Why there is no TLS, for people. Each text is the rest of a sentence, and has nothing of what was said over the connection.

use rustls::{AlertDescription, CertificateError, Error};

/// So much is told of a cause that comes from elsewhere.
const CAUSE_CHARACTERS: usize = 300;

/// Why there is no TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsError {
    /// An option can not be used.
    Invalid(String),
    /// The server could not show who it is.
    Untrusted(String),
    /// The two do not agree, or what came is no TLS.
    Failed(String),
}

impl From<&Error> for TlsError {
    fn from(error: &Error) -> TlsError {
        match error {
            Error::InvalidCertificate(error) => TlsError::Untrusted(of_certificate(error)),
            Error::NoCertificatesPresented => TlsError::Untrusted("it showed no certificate".to_owned()),
            Error::AlertReceived(alert) => TlsError::Failed(of_alert(*alert)),
            Error::PeerIncompatible(why) => TlsError::Failed(format!(
                "the server has no version of TLS, or no cipher, that airlock has (TLS 1.2 and 1.3; {why:?})"
            )),
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
                TlsError::Failed(format!("what the server sent is no TLS, or not in its order ({error})"))
            }
            Error::DecryptError => TlsError::Failed("what the server sent was changed on its way".to_owned()),
            Error::NoApplicationProtocol => {
                TlsError::Failed("the server speaks none of the application protocols that were offered".to_owned())
            }
            error => TlsError::Failed(format!("the server broke the rules of TLS ({error})")),
        }
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "its certificate comes from no authority that is trusted".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        // rustls would list all the names that it is for.
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        CertificateError::BadSignature => {
            "it has not the key of its certificate, or that comes from another authority of the same name".to_owned()
        }
        CertificateError::Other(cause) => format!("its certificate is not accepted ({})", bounded(&cause.to_string())),
        error => format!("its certificate is not accepted: {}", bounded(&error.to_string())),
    }
}

/// How long it is may be the server's to choose.
fn bounded(text: &str) -> &str {
    text.char_indices().nth(CAUSE_CHARACTERS).map_or(text, |(end, _)| &text[..end])
}

fn of_alert(alert: AlertDescription) -> String {
    let meaning = match alert {
        AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => {
            "there is no version of TLS or no cipher that it has and airlock has"
        }
        AlertDescription::CertificateRequired => "it wants the client to show a certificate",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => "it does not accept the certificate that the client shows",
        AlertDescription::UnrecognisedName => "it does not know the name that it was asked for",
        AlertDescription::NoApplicationProtocol => "it speaks none of the application protocols that were offered",
        _ => return format!("the server ended it with the alert {alert:?}"),
    };
    format!("the server ended it: {meaning} (alert {alert:?})")
}
