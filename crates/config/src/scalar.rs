//! Scalars with a meaning of their own: secrets, durations, byte sizes, URLs.

use std::fmt;
use std::time::Duration;

use model::duration::{DurationError, format_duration_ms, parse_duration_ms};
use serde::{Serialize, Serializer};

/// What stands in every printed or serialized configuration in place of a secret.
pub const HIDDEN: &str = "<secret>";

/// A password, token or key. `Debug`, `Display` and `Serialize` show `<secret>`; only [`Secret::expose`] gives the text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself, for the one place that puts it on the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True where no secret was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

/// A duration in milliseconds, written as Prometheus does (`1m30s`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// Whole seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Millis(seconds * 1000)
    }

    /// Reads `1m30s`.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        parse_duration_ms(text).map(Millis)
    }

    /// Milliseconds.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Seconds, with fractions.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// As the standard library's duration; a configured duration is never negative.
    pub fn to_std(self) -> Duration {
        Duration::from_millis(u64::try_from(self.0).unwrap_or_default())
    }

    /// True for `0s`, which in most places means "not set".
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration_ms(self.0))
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A number of bytes; units are powers of 1024 (`512KB` and `512KiB` are the same, as in Prometheus). 0 means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const BYTE_UNITS: [(&str, u64); 7] = [
    ("EiB", 1 << 60),
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl ByteSize {
    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// True for 0: no limit.
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// Reads `512MB`, `1.5GiB`, `1GiB512MiB` or `0`; `None` where the text is no byte size or does not fit 64 bits signed.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(ByteSize(0));
        }
        let mut rest = text;
        let mut total = 0_f64;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
            let count: f64 = rest[..digits].parse().ok()?;
            let unit = &rest[digits..digits + letters];
            let (_, size) = BYTE_UNITS.iter().find(|(name, _)| *name == unit || name.replace('i', "") == unit)?;
            total += count * *size as f64;
            rest = &rest[digits + letters..];
        }
        (total < i64::MAX as f64).then_some(ByteSize(total as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        for (name, size) in BYTE_UNITS {
            if rest / size > 0 {
                write!(f, "{}{name}", rest / size)?;
                rest %= size;
            }
        }
        if self.0 == 0 { f.write_str("0B") } else { Ok(()) }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A URL. Printing it shows `xxxxx` for a password inside; [`Url::as_url`] gives the whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(url::Url);

impl Url {
    /// Reads an absolute URL.
    pub fn parse(text: &str) -> Result<Self, url::ParseError> {
        url::Url::parse(text).map(Url)
    }

    /// The URL with its password, for the one place that connects.
    pub fn as_url(&self) -> &url::Url {
        &self.0
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.password().is_none() {
            return f.write_str(self.0.as_str());
        }
        let mut redacted = self.0.clone();
        // Refused only by URLs without an authority, and those have no password.
        let _ = redacted.set_password(Some("xxxxx"));
        f.write_str(redacted.as_str())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_secrets() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret}"), "<secret> <secret>");
        assert_eq!(secret.expose(), "hunter2");
        let url = Url::parse("http://me:hunter2@proxy:3128/x").unwrap();
        assert_eq!(format!("{url} {url:?}"), "http://me:xxxxx@proxy:3128/x http://me:xxxxx@proxy:3128/x");
        assert_eq!(url.as_url().password(), Some("hunter2"));
    }

    #[test]
    fn reads_byte_sizes() {
        for (text, bytes, back) in [
            ("0", 0, "0B"),
            ("100B", 100, "100B"),
            ("15KB", 15 << 10, "15KiB"),
            ("1MiB", 1 << 20, "1MiB"),
            ("1.5GiB", 3 << 29, "1GiB512MiB"),
            ("1GiB512MiB", 3 << 29, "1GiB512MiB"),
        ] {
            assert_eq!(ByteSize::parse(text), Some(ByteSize(bytes)), "{text}");
            assert_eq!(ByteSize(bytes).to_string(), back);
        }
        for bad in ["", "MB", "10", "10mb", "-1MB", "1e3B", "8EiB", "1.2.3MB", "1 MB"] {
            assert_eq!(ByteSize::parse(bad), None, "{bad:?}");
        }
    }
}
