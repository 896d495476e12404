//! A client of SMTP (RFC 5321) for one mail at a time: STARTTLS (RFC 3207) or TLS from the beginning, AUTH by CRAM-MD5, PLAIN or
//! LOGIN in the order that the server names them.
//!
//! Written here because Alertmanager's settings ask for CRAM-MD5 and for the server's own order, which the field's crate lacks.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Failure;

/// Where and how.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) hello: String,
    pub(super) implicit_tls: bool,
    pub(super) require_tls: bool,
    pub(super) tls: ClientConfig,
    /// The name in the server's certificate.
    pub(super) name: String,
    pub(super) login: Option<Login>,
}

/// Who.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) identity: String,
    pub(super) password: String,
    /// For CRAM-MD5.
    pub(super) secret: String,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct Connection(BufStream<Box<dyn Stream>>);

struct Reply {
    code: u16,
    text: String,
}

fn retry(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Retry(None, format!("{what}: {error}"))
}

/// Sends one mail; `data` is whole, with CRLF at the ends of its lines.
pub(super) async fn deliver(
    server: &Server,
    from: &str,
    to: &[String],
    data: &str,
) -> std::result::Result<(), Failure> {
    let stream = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(|e| retry("connect", e))?;
    let mut connection = if server.implicit_tls {
        Connection(BufStream::new(encrypted(server, stream).await?))
    } else {
        let mut plain = BufStream::new(stream);
        expect(&mut plain, 220, "greeting").await?;
        let extensions = hello(&mut plain, server).await?;
        if has(&extensions, "STARTTLS") {
            command(&mut plain, "STARTTLS", 220).await?;
            Connection(BufStream::new(encrypted(server, plain.into_inner()).await?))
        } else if server.require_tls {
            return Err(retry(
                "STARTTLS",
                "'require_tls' is true (default) but the server does not advertise the STARTTLS extension",
            ));
        } else {
            Connection(BufStream::new(Box::new(plain.into_inner()) as Box<dyn Stream>))
        }
    };
    let stream = &mut connection.0;
    if server.implicit_tls {
        expect(stream, 220, "greeting").await?;
    }
    let extensions = hello(stream, server).await?;
    if let Some(login) = &server.login {
        authenticate(stream, login, &extensions).await?;
    }
    command(stream, &format!("MAIL FROM:<{from}>"), 250).await?;
    for one in to {
        command(stream, &format!("RCPT TO:<{one}>"), 250).await?;
    }
    command(stream, "DATA", 354).await?;
    write(stream, &stuffed(data)).await?;
    expect(stream, 250, "the mail").await?;
    // It is taken; how the conversation ends no longer matters.
    let _ = write(stream, "QUIT\r\n").await;
    Ok(())
}

async fn encrypted(server: &Server, stream: TcpStream) -> std::result::Result<Box<dyn Stream>, Failure> {
    let name = ServerName::try_from(server.name.clone())
        .map_err(|_| Failure::Final(format!("{:?} is no host name", server.name)))?;
    let connector = TlsConnector::from(Arc::new(server.tls.clone()));
    let stream = connector.connect(name, stream).await.map_err(|e| retry("TLS", e))?;
    Ok(Box::new(stream))
}

fn has(extensions: &[String], name: &str) -> bool {
    extensions.iter().any(|line| line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(name)))
}

async fn hello<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    server: &Server,
) -> std::result::Result<Vec<String>, Failure> {
    let name = if server.hello.is_empty() { "localhost" } else { &server.hello };
    let reply = command(stream, &format!("EHLO {name}"), 250).await?;
    Ok(reply.text.lines().skip(1).map(str::to_owned).collect())
}

async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    login: &Login,
    extensions: &[String],
) -> std::result::Result<(), Failure> {
    let offered = extensions.iter().find(|line| line.to_ascii_uppercase().starts_with("AUTH"));
    let offered = offered.ok_or_else(|| retry("AUTH", "the server offers no authentication"))?;
    let encoded = |text: &str| BASE64_STANDARD.encode(text);
    for mechanism in offered.split([' ', '=']).skip(1) {
        match mechanism.to_ascii_uppercase().as_str() {
            "CRAM-MD5" if !login.secret.is_empty() => {
                let challenge = command(stream, "AUTH CRAM-MD5", 334).await?;
                let challenge = BASE64_STANDARD.decode(challenge.text.trim()).map_err(|e| retry("CRAM-MD5", e))?;
                let answer = format!("{} {}", login.user, hmac_md5(login.secret.as_bytes(), &challenge));
                return secret_command(stream, &encoded(&answer)).await;
            }
            "PLAIN" if !login.password.is_empty() => {
                let text = format!("{}\0{}\0{}", login.identity, login.user, login.password);
                return secret_command(stream, &format!("AUTH PLAIN {}", encoded(&text))).await;
            }
            "LOGIN" if !login.password.is_empty() => {
                command(stream, "AUTH LOGIN", 334).await?;
                write(stream, &format!("{}\r\n", encoded(&login.user))).await?;
                expect(stream, 334, "AUTH LOGIN").await?;
                return secret_command(stream, &encoded(&login.password)).await;
            }
            _ => {}
        }
    }
    Err(Failure::Final(format!("the server offers {offered:?}, for which there is no password or secret")))
}

/// HMAC with MD5 (RFC 2104), in hexadecimal digits: what CRAM-MD5 answers with.
fn hmac_md5(key: &[u8], text: &[u8]) -> String {
    use md5::{Digest, Md5};
    const BLOCK: usize = 64;
    let mut padded = [0_u8; BLOCK];
    if key.len() > BLOCK {
        padded[..16].copy_from_slice(&Md5::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let with = |mask: u8, rest: &[u8]| {
        let mut bytes: Vec<u8> = padded.iter().map(|byte| byte ^ mask).collect();
        bytes.extend_from_slice(rest);
        Md5::digest(&bytes).to_vec()
    };
    with(0x5c, &with(0x36, text)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lines that begin with a dot get another one, and a lone dot ends the mail.
fn stuffed(data: &str) -> String {
    let mut out = String::with_capacity(data.len() + 8);
    for line in data.split_terminator("\r\n") {
        if line.starts_with('.') {
            out.push('.');
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    out.push_str(".\r\n");
    out
}

async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    text: &str,
) -> std::result::Result<(), Failure> {
    stream.write_all(text.as_bytes()).await.map_err(|e| retry("write", e))?;
    stream.flush().await.map_err(|e| retry("write", e))
}

async fn command<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    line: &str,
    code: u16,
) -> std::result::Result<Reply, Failure> {
    write(stream, &format!("{line}\r\n")).await?;
    expect(stream, code, line).await
}

/// A line that holds a password, which no error may name.
async fn secret_command<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    line: &str,
) -> std::result::Result<(), Failure> {
    write(stream, &format!("{line}\r\n")).await?;
    expect(stream, 235, "authentication").await.map(drop)
}

/// The most lines of a reply.
const MOST_LINES: usize = 100;
/// The most bytes of a line.
const MOST_LINE: u64 = 4096;

async fn expect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    code: u16,
    what: &str,
) -> std::result::Result<Reply, Failure> {
    use tokio::io::AsyncReadExt;
    let mut texts = Vec::new();
    for _ in 0..MOST_LINES {
        let mut line = String::new();
        let read = (&mut *stream).take(MOST_LINE).read_line(&mut line).await.map_err(|e| retry("read", e))?;
        let found: Option<u16> = line.get(..3).and_then(|digits| digits.parse().ok());
        let (true, Some(found)) = (read > 0, found) else {
            return Err(retry(what, "the server closed the connection or speaks no SMTP"));
        };
        texts.push(line.get(4..).unwrap_or("").trim_end().to_owned());
        if line.as_bytes().get(3) == Some(&b'-') {
            continue;
        }
        let reply = Reply { code: found, text: texts.join("\n") };
        if reply.code == code || code == 250 && reply.code == 251 {
            return Ok(reply);
        }
        let reason = format!("{what}: {} {}", reply.code, reply.text);
        return Err(if reply.code >= 500 { Failure::Final(reason) } else { Failure::Retry(None, reason) });
    }
    Err(Failure::Final(format!("{what}: the reply has no end")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn cram_md5_of_the_rfc() {
        let found = super::hmac_md5(b"tanstaaftanstaaf", b"<1896.697170952@postoffice.reston.mci.net>");
        assert_eq!(found, "b913a602c7eda7a495b4e6e7334d3890");
    }

    #[test]
    fn dots_are_doubled() {
        assert_eq!(super::stuffed("a\r\n.b\r\n..\r\n"), "a\r\n..b\r\n...\r\n.\r\n");
    }
}
