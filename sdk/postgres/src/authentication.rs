//! The login: how a password is shown to be known.

use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{self, AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use crate::connection::server_error;
use crate::error::{Error, Result};
use crate::options::ConnectOptions;
use crate::wire::Wire;

/// How often a server may have the password hashed; it is also where `postgres-protocol` ends. PostgreSQL asks for 4096.
const MOST_ROUNDS: u64 = 100_000;

/// Answers what the server asks until it lets the user in.
pub(crate) fn log_in(wire: &mut Wire, options: &ConnectOptions, is_encrypted: bool) -> Result<()> {
    loop {
        match receive(wire, options)? {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword => {
                if !is_encrypted {
                    log::warn!(
                        "{} asks for the password in clear, and the connection is not encrypted: whoever is between can \
                         read it. Turn TLS on, or let the server ask by SCRAM-SHA-256.",
                        wire.server()
                    );
                }
                let password = password(wire, options)?;
                send_password(wire, password)?;
            }
            Message::AuthenticationMd5Password(body) => {
                let password = password(wire, options)?;
                let hash = md5_hash(options.username.as_bytes(), password.as_bytes(), body.salt());
                send_password(wire, &hash)?;
            }
            Message::AuthenticationSasl(body) => scram(wire, options, &body)?,
            Message::AuthenticationGss | Message::AuthenticationKerberosV5 => {
                return Err(unsupported(wire, "asks for Kerberos (GSSAPI)"));
            }
            Message::AuthenticationSspi => return Err(unsupported(wire, "asks for SSPI")),
            _ => return Err(wire.nonsense("something else than a question at login")),
        }
    }
}

/// SCRAM-SHA-256: the server is shown that the password is known, and shows that it knows it too.
fn scram(wire: &mut Wire, options: &ConnectOptions, body: &AuthenticationSaslBody) -> Result<()> {
    let offered = body.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256));
    if !offered.map_err(|_| wire.nonsense("a list of ways to log in that can not be read"))? {
        return Err(unsupported(wire, "offers no way to log in but by channel binding, or by others than SCRAM"));
    }
    let password = password(wire, options)?;
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    queue(frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut wire.outgoing))?;
    wire.send()?;

    let Message::AuthenticationSaslContinue(body) = receive(wire, options)? else {
        return Err(wire.nonsense("SCRAM that stops after its first step"));
    };
    if rounds(body.data()).is_some_and(|rounds| rounds > MOST_ROUNDS) {
        return Err(Error::Unsupported {
            server: wire.server().to_owned(),
            what: format!(
                "wants the password hashed more than {MOST_ROUNDS} times, which is refused: lower the server's \
                 scram_iterations and set the password again"
            ),
        });
    }
    scram.update(body.data()).map_err(|_| wire.nonsense("SCRAM that can not be read"))?;
    queue(frontend::sasl_response(scram.message(), &mut wire.outgoing))?;
    wire.send()?;

    let Message::AuthenticationSaslFinal(body) = receive(wire, options)? else {
        return Err(wire.nonsense("SCRAM that stops before the server has shown that it knows the password"));
    };
    scram.finish(body.data()).map_err(|_| wire.nonsense("SCRAM that shows no knowledge of the password"))
}

/// The `i=` of SCRAM's first message.
fn rounds(message: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(message).ok()?;
    let digits = text.split(',').find_map(|part| part.strip_prefix("i="))?;
    // What does not fit is too much as well.
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { Some(digits.parse().unwrap_or(u64::MAX)) } else { None }
}

/// The next message that is about the login. An error of the server is an error.
fn receive(wire: &mut Wire, options: &ConnectOptions) -> Result<Message> {
    loop {
        let frame = wire.receive()?;
        match wire.message(frame)? {
            Message::NoticeResponse(_) => {}
            Message::ErrorResponse(body) => return Err(server_error(wire, options, body.fields())),
            message if frame.tag == backend::AUTHENTICATION_TAG => return Ok(message),
            _ => return Err(wire.nonsense("something else than a question at login")),
        }
    }
}

fn password<'a>(wire: &Wire, options: &'a ConnectOptions) -> Result<&'a str> {
    match options.password.as_deref() {
        Some(password) if !password.is_empty() => Ok(password),
        _ => Err(Error::PasswordMissing { server: wire.server().to_owned(), username: options.username.clone() }),
    }
}

fn send_password(wire: &mut Wire, password: &str) -> Result<()> {
    queue(frontend::password_message(password.as_bytes(), &mut wire.outgoing))?;
    wire.send()
}

fn queue(written: std::io::Result<()>) -> Result<()> {
    written.map_err(|_| Error::Invalid("The password can not be sent: it has a NUL character.".to_owned()))
}

fn unsupported(wire: &Wire, what: &str) -> Error {
    Error::Unsupported {
        server: wire.server().to_owned(),
        what: format!(
            "{what}, which this connector can not do: let pg_hba.conf ask for scram-sha-256 from the connector's address"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_read_before_they_are_done() {
        assert_eq!(rounds(b"r=abc,s=QQ==,i=4096"), Some(4096));
        assert_eq!(rounds(b"r=abc,s=QQ==,i=99999999999999999999999"), Some(u64::MAX));
        assert_eq!(rounds(b"r=abc,s=QQ==,i=-1"), None);
        assert_eq!(rounds(b"r=abc"), None);
        assert_eq!(rounds(&[0xff]), None);
    }
}
