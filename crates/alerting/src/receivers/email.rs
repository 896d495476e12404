//! Mail: the message as plain text and HTML, in the form of RFC 5322 and MIME.
//!
//! Unlike Alertmanager, which repeats after every refusal, a mail that a server refuses for good (5xx) is not sent again.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use config::Settings;
use gotemplate::time::Time;

use super::smtp::{Login, Server, deliver};
use super::{Failure, Receiver, Result, template};
use crate::message::Message;

const IMPLICIT_TLS_PORT: u16 = 465;

pub(super) async fn send(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let expand = |key: &str| message.text(settings.text(key)).map_err(template);
    let to = addresses(&expand("to")?).map_err(|e| Failure::Final(format!("parse 'to' addresses: {e}")))?;
    let from = addresses(&expand("from")?).map_err(|e| Failure::Final(format!("parse 'from' addresses: {e}")))?;
    let [from] = &from[..] else { return Err(Failure::Final("must be exactly one 'from' address".to_owned())) };
    let data = mail(settings, message).map_err(template)?;
    let server = server(receiver, settings).await?;
    deliver(&server, from, &to, &data).await?;
    Ok(BTreeMap::new())
}

async fn server(receiver: &Receiver, settings: &Settings) -> std::result::Result<Server, Failure> {
    let smarthost = settings.text("smarthost");
    let (host, port) = smarthost.rsplit_once(':').unwrap_or((smarthost, "25"));
    let host = host.trim_matches(['[', ']']);
    let port: u16 = port.parse().map_err(|_| Failure::Final(format!("smarthost: {port:?} is no port")))?;
    let tls = settings.tls("tls_config");
    let user = settings.text("auth_username").to_owned();
    let login = if user.is_empty() {
        None
    } else {
        let password = receiver.secret("auth_password", "auth_password_file").await?;
        let secret = receiver.secret("auth_secret", "auth_secret_file").await?;
        Some(Login { user, identity: settings.text("auth_identity").to_owned(), password, secret })
    };
    Ok(Server {
        host: host.to_owned(),
        port,
        hello: settings.text("hello").to_owned(),
        implicit_tls: settings.flag("force_implicit_tls").unwrap_or(port == IMPLICIT_TLS_PORT),
        require_tls: settings.flag("require_tls").unwrap_or(true),
        tls: client::client_config(&tls).map_err(|error| Failure::Retry(None, error.to_string()))?,
        name: if tls.server_name.is_empty() { host.to_owned() } else { tls.server_name },
        login,
    })
}

/// The addresses of a list such as `Ann <ann@x.org>, bob@x.org`, without names.
fn addresses(text: &str) -> std::result::Result<Vec<String>, String> {
    let mut out = Vec::new();
    let (mut quoted, mut begin) = (false, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        // Nothing that a server could take for a line of its own, not even in a name.
        if part.contains(|c: char| c.is_control() && c != '\t') {
            return Err(format!("{part:?} is no mail address"));
        }
        let address = match part.rsplit_once('<') {
            Some((_, rest)) => rest.strip_suffix('>').ok_or_else(|| format!("{part:?} has no >"))?,
            None => part,
        };
        let address = address.trim();
        let is_good = address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        if !is_good || address.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>')) {
            return Err(format!("{part:?} is no mail address"));
        }
        out.push(address.to_owned());
    }
    if out.is_empty() { Err("no address".to_owned()) } else { Ok(out) }
}

/// The whole mail, with CRLF at the ends of its lines.
fn mail(settings: &Settings, message: &Message<'_>) -> std::result::Result<String, String> {
    let mut out = String::new();
    let mut header = |name: &str, value: &str| {
        let _ = write!(out, "{name}: {}\r\n", encoded_words(&value.replace(['\r', '\n'], " ")));
    };
    let own = settings.map("headers");
    let has = |name: &str| own.is_some_and(|own| own.keys().any(|key| key.eq_ignore_ascii_case(name)));
    for (name, value) in own.into_iter().flatten() {
        header(name, &message.text(value)?);
    }
    for (name, key) in [("From", "from"), ("To", "to")] {
        if !has(name) {
            header(name, &message.text(settings.text(key))?);
        }
    }
    let key = message.incident_key();
    let at = Time::from_timestamp(message.item.at);
    let unique = format!("{}.{}", message.item.at.ms(), message.item.id);
    if !has("Message-Id") {
        header("Message-Id", &format!("<{unique}.{}@afferent>", &key[..16]));
    }
    if let Some(threading) = settings.section("threading").filter(|t| t.flag("enabled") == Some(true)) {
        let by_day = threading.text("thread_by_date") != "none";
        let day = if by_day { at.format("2006-01-02") } else { String::new() };
        let thread = format!("<alert-{}-{day}@alertmanager>", &key[..16]);
        header("References", &thread);
        header("In-Reply-To", &thread);
    }
    if !has("Date") {
        header("Date", &at.format("Mon, 02 Jan 2006 15:04:05 -0700"));
    }
    let boundary = format!("{}{}", &key[..24], message.item.id);
    header("Content-Type", &format!("multipart/alternative;  boundary={boundary}"));
    header("MIME-Version", "1.0");
    out.push_str("\r\n");
    // The last part is the one that a reader of mails prefers.
    let (text, html) = (settings.text("text"), settings.text("html"));
    if !text.is_empty() {
        part(&mut out, &boundary, "text/plain; charset=UTF-8", &message.text(text)?);
    }
    if !html.is_empty() {
        part(&mut out, &boundary, "text/html; charset=UTF-8", &message.html(html)?);
    }
    let _ = write!(out, "--{boundary}--\r\n");
    Ok(out)
}

fn part(out: &mut String, boundary: &str, content_type: &str, body: &str) {
    let _ = write!(
        out,
        "--{boundary}\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: {content_type}\r\n\r\n{}\r\n",
        quoted_printable(body)
    );
}

/// RFC 2047: words beyond ASCII as base64 of UTF-8, in pieces of at most 75 characters.
fn encoded_words(value: &str) -> String {
    const PIECE: usize = 45;
    if value.is_ascii() {
        return value.to_owned();
    }
    let mut words = Vec::new();
    let mut piece = String::new();
    for c in value.chars() {
        if piece.len() + c.len_utf8() > PIECE {
            words.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    words.push(piece);
    let words: Vec<String> = words.iter().map(|word| format!("=?UTF-8?b?{}?=", BASE64_STANDARD.encode(word))).collect();
    words.join("\r\n ")
}

/// RFC 2045, section 6.7: lines of at most 76 characters.
fn quoted_printable(text: &str) -> String {
    const MOST: usize = 75;
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push_str("\r\n");
        }
        let line = line.strip_suffix('\r').unwrap_or(line).as_bytes();
        let mut width = 0;
        for (at, byte) in line.iter().enumerate() {
            let is_last = at + 1 == line.len();
            let plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || matches!(byte, b' ' | b'\t') && !is_last;
            let needed = if plain { 1 } else { 3 };
            if width + needed > MOST {
                out.push_str("=\r\n");
                width = 0;
            }
            if plain {
                out.push(char::from(*byte));
            } else {
                let _ = write!(out, "={byte:02X}");
            }
            width += needed;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_addresses() {
        let found = addresses(r#""Doe, Ann" <ann@x.org>, bob@y.org"#).unwrap();
        assert_eq!(found, ["ann@x.org", "bob@y.org"]);
        for bad in ["", "ann", "ann@", "<ann@x.org", "a b@x.org", "a@x.org\r\nRCPT TO:<z@z>"] {
            assert!(addresses(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bodies_and_headers() {
        assert_eq!(quoted_printable("a=b \nü\r\n"), "a=3Db=20\r\n=C3=BC\r\n");
        let long = quoted_printable(&"x".repeat(200));
        assert!(long.lines().all(|line| line.len() <= 76) && long.replace("=\r\n", "").len() == 200);
        assert_eq!(encoded_words("plain"), "plain");
        assert_eq!(encoded_words("é"), "=?UTF-8?b?w6k=?=");
    }
}
