//! One syslog message.

use gotemplate::time::{Time, Zone};
use thiserror::Error;

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MessageError {
    /// `<0>` to `<191>` is missing at the beginning.
    #[error("the priority is missing: a message begins with <0> to <191>")]
    Priority,
    /// RFC 5424 wants a version behind the priority.
    #[error("the version is missing behind the priority; is this RFC 3164?")]
    Version,
    /// The message ends within its header.
    #[error("the header is cut off at {0}")]
    Header(&'static str),
    /// The time is not RFC 3339.
    #[error("the time is not valid")]
    Time,
    /// Structured data is not as RFC 5424 has it.
    #[error("the structured data is not valid")]
    StructuredData,
}

/// Structured data: an id with its parameters.
pub type Element = (String, Vec<(String, String)>);

/// A message. Absent parts (`-`) are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// 0 to 23.
    pub facility: u8,
    /// 0 (emergency) to 7 (debug).
    pub severity: u8,
    /// Nanoseconds since the Unix epoch.
    pub timestamp: Option<i64>,
    /// Whether the time says its zone.
    pub has_zone: bool,
    /// Host name.
    pub hostname: Option<String>,
    /// Application.
    pub app_name: Option<String>,
    /// Process.
    pub proc_id: Option<String>,
    /// Kind of message.
    pub msg_id: Option<String>,
    /// Structured data.
    pub structured_data: Vec<Element>,
    /// The text.
    pub message: &'a [u8],
}

const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];
const FACILITIES: [&str; 24] = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "security",
    "console",
    "solaris-cron",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];

/// `emergency` to `debug`.
pub fn severity_name(severity: u8) -> &'static str {
    SEVERITIES.get(usize::from(severity)).copied().unwrap_or("debug")
}

/// `kern` to `local7`.
pub fn facility_name(facility: u8) -> &'static str {
    FACILITIES.get(usize::from(facility)).copied().unwrap_or("user")
}

/// Reads a message of either kind: RFC 5424 has a version behind the priority. `now` (nanoseconds since the Unix epoch) gives
/// the year that RFC 3164 leaves out.
pub fn parse(message: &[u8], now: i64) -> Result<Message<'_>, MessageError> {
    match parse_rfc5424(message) {
        Err(MessageError::Version) => parse_rfc3164(message, now),
        outcome => outcome,
    }
}

fn priority(message: &[u8]) -> Result<(Message<'_>, &[u8]), MessageError> {
    let rest = message.strip_prefix(b"<").ok_or(MessageError::Priority)?;
    let digits = rest.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let number: u16 =
        std::str::from_utf8(&rest[..digits]).ok().and_then(|text| text.parse().ok()).ok_or(MessageError::Priority)?;
    if number > 191 || rest.get(digits) != Some(&b'>') {
        return Err(MessageError::Priority);
    }
    let parsed = Message { facility: (number / 8) as u8, severity: (number % 8) as u8, ..Message::default() };
    Ok((parsed, &rest[digits + 1..]))
}

/// A text up to the next blank; `-` is nothing.
fn field<'a>(rest: &mut &'a [u8], name: &'static str) -> Result<Option<&'a [u8]>, MessageError> {
    let end = memchr::memchr(b' ', rest).ok_or(MessageError::Header(name))?;
    let value = &rest[..end];
    *rest = &rest[end + 1..];
    Ok((value != b"-" && !value.is_empty()).then_some(value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// RFC 5424: `<PRI>1 TIME HOST APP PROCID MSGID STRUCTURED-DATA MSG`.
pub fn parse_rfc5424(message: &[u8]) -> Result<Message<'_>, MessageError> {
    let (mut parsed, mut rest) = priority(message)?;
    let digits = rest.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 || rest[0] == b'0' || rest.get(digits) != Some(&b' ') {
        return Err(MessageError::Version);
    }
    rest = &rest[digits + 1..];
    if let Some(time) = field(&mut rest, "time")? {
        let time = std::str::from_utf8(time).ok().and_then(Time::parse_rfc3339).ok_or(MessageError::Time)?;
        (parsed.timestamp, parsed.has_zone) = (Some(time.unix_nanos()), true);
    }
    parsed.hostname = field(&mut rest, "host name")?.map(text);
    parsed.app_name = field(&mut rest, "application")?.map(text);
    parsed.proc_id = field(&mut rest, "process")?.map(text);
    parsed.msg_id = field(&mut rest, "message id")?.map(text);
    rest = structured_data(rest, &mut parsed.structured_data)?;
    let body = rest.strip_prefix(b" ").unwrap_or(rest);
    parsed.message = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    Ok(parsed)
}

fn structured_data<'a>(mut rest: &'a [u8], out: &mut Vec<Element>) -> Result<&'a [u8], MessageError> {
    let bad = MessageError::StructuredData;
    match rest.first() {
        None => return Err(MessageError::Header("structured data")),
        Some(b'-') => {
            let after = &rest[1..];
            return if after.is_empty() || after[0] == b' ' { Ok(after) } else { Err(bad) };
        }
        Some(b'[') => {}
        Some(_) => return Err(bad),
    }
    while let Some(after) = rest.strip_prefix(b"[") {
        let end = after.iter().position(|b| matches!(b, b' ' | b']')).ok_or(bad)?;
        let mut params = Vec::new();
        let id = text(&after[..end]);
        rest = &after[end..];
        loop {
            match rest.first() {
                Some(b']') => {
                    rest = &rest[1..];
                    break;
                }
                Some(b' ') => rest = &rest[1..],
                Some(_) => {
                    let equals = memchr::memchr(b'=', rest).ok_or(bad)?;
                    let name = text(&rest[..equals]);
                    let quoted = rest[equals + 1..].strip_prefix(b"\"").ok_or(bad)?;
                    let (value, after) = param_value(quoted).ok_or(bad)?;
                    params.push((name, value));
                    rest = after;
                }
                None => return Err(bad),
            }
        }
        out.push((id, params));
    }
    Ok(rest)
}

/// Up to the closing quote; `\"`, `\\` and `\]` stand for what follows the backslash.
fn param_value(quoted: &[u8]) -> Option<(String, &[u8])> {
    let mut value = Vec::new();
    let mut at = 0;
    loop {
        match (quoted.get(at)?, quoted.get(at + 1)) {
            (b'\\', Some(escaped @ (b'"' | b'\\' | b']'))) => {
                value.push(*escaped);
                at += 2;
            }
            (b'"', _) => return Some((text(&value), &quoted[at + 1..])),
            (byte, _) => {
                value.push(*byte);
                at += 1;
            }
        }
    }
}

/// RFC 3164: `<PRI>Mmm dd hh:mm:ss HOST TAG[PID]: MSG`, and what comes close to it. Only the priority is needed; what is not
/// as it should be belongs to the message.
pub fn parse_rfc3164(message: &[u8], now: i64) -> Result<Message<'_>, MessageError> {
    let (mut parsed, mut rest) = priority(message)?;
    let Some((time, has_zone, after)) = old_time(rest, now) else {
        parsed.message = rest;
        return Ok(parsed);
    };
    (parsed.timestamp, parsed.has_zone) = (Some(time), has_zone);
    rest = after;
    let host = memchr::memchr(b' ', rest).map(|end| &rest[..end]);
    if let Some(host) = host.filter(|host| !host.is_empty() && !host.ends_with(b":") && !host.contains(&b'[')) {
        parsed.hostname = Some(text(host));
        rest = &rest[host.len() + 1..];
    }
    let tag = rest.iter().take(48).take_while(|b| b.is_ascii_graphic() && !matches!(b, b'[' | b':')).count();
    if tag > 0 {
        let mut after = &rest[tag..];
        let mut process = None;
        if let Some(inside) = after.strip_prefix(b"[")
            && let Some(end) = memchr::memchr(b']', inside)
        {
            process = Some(text(&inside[..end]));
            after = &inside[end + 1..];
        }
        if let Some(body) = after.strip_prefix(b":") {
            parsed.app_name = Some(text(&rest[..tag]));
            parsed.proc_id = process;
            rest = body.strip_prefix(b" ").unwrap_or(body);
        }
    }
    parsed.message = rest;
    Ok(parsed)
}

/// `Mmm dd hh:mm:ss `, the year nearest to now; or RFC 3339, which many send, and which says its zone.
fn old_time(rest: &[u8], now: i64) -> Option<(i64, bool, &[u8])> {
    if let Some(head) = rest.get(..16).filter(|head| head[15] == b' ')
        && let Ok(head) = std::str::from_utf8(&head[..15])
    {
        let year: i32 = Time::from_nanos(now).format("2006").parse().ok()?;
        let years = [year - 1, year, year + 1];
        let times = years.iter().filter_map(|year| {
            let text = format!("{year:04} {head}");
            gotemplate::time::parse("2006 Jan _2 15:04:05", &text, Zone::Utc).ok().map(Time::unix_nanos)
        });
        if let Some(time) = times.min_by_key(|time| time.abs_diff(now)) {
            return Some((time, false, &rest[16..]));
        }
    }
    let end = memchr::memchr(b' ', rest)?;
    let time = std::str::from_utf8(&rest[..end]).ok().and_then(Time::parse_rfc3339)?;
    Some((time.unix_nanos(), true, &rest[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_704_067_200_000_000_000; // 2024-01-01

    #[test]
    fn reads_rfc_5424() {
        let text = "<165>1 2003-10-11T22:14:15.003Z host.example.com evntslog - ID47 [ex@32473 iut=\"3\" eventSource=\"App \\\"x\\] \\q\"][b] \u{feff}An event";
        let message = parse_rfc5424(text.as_bytes()).unwrap();
        assert_eq!((facility_name(message.facility), severity_name(message.severity)), ("local4", "notice"));
        assert_eq!(message.timestamp, Some(1_065_910_455_003_000_000));
        assert_eq!(message.hostname.as_deref(), Some("host.example.com"));
        assert_eq!(
            (message.app_name.as_deref(), message.proc_id, message.msg_id.as_deref()),
            (Some("evntslog"), None, Some("ID47"))
        );
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            message.structured_data,
            [
                ("ex@32473".to_owned(), vec![pair("iut", "3"), pair("eventSource", "App \"x] \\q")]),
                ("b".to_owned(), vec![])
            ]
        );
        assert_eq!(message.message, b"An event");
        assert_eq!(parse_rfc5424(b"<0>1 - - - - - -").unwrap(), Message::default());
        assert_eq!(parse_rfc5424(b"<34>Oct 11 22:14:15 h su: x").unwrap_err(), MessageError::Version);
        assert_eq!(parse_rfc5424(b"<192>1 - - - - - -").unwrap_err(), MessageError::Priority);
        assert_eq!(parse_rfc5424(b"<1>1 yesterday - - - - -").unwrap_err(), MessageError::Time);
        assert_eq!(parse_rfc5424(b"<1>1 - - - - - [a b=\"c]").unwrap_err(), MessageError::StructuredData);
        assert_eq!(parse_rfc5424(b"<1>1 - - -").unwrap_err(), MessageError::Header("application"));
    }

    #[test]
    fn reads_rfc_3164_and_its_relatives() {
        let read = |text: &'static str| parse(text.as_bytes(), NOW).unwrap();
        let message = read("<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed");
        assert_eq!(message.timestamp, Some(1_697_062_455_000_000_000));
        assert_eq!(message.hostname.as_deref(), Some("mymachine"));
        assert_eq!((message.app_name.as_deref(), message.proc_id.as_deref()), (Some("su"), Some("12")));
        assert_eq!(message.message, b"'su root' failed");
        let message = read("<13>Jan  2 00:00:00 tag: no host");
        assert_eq!((message.hostname, message.app_name.as_deref()), (None, Some("tag")));
        assert_eq!(message.timestamp, Some(NOW + 86_400_000_000_000));
        assert_eq!(read("<13>just text").message, b"just text");
        assert_eq!(read("<13>2024-01-01T00:00:00Z host app: x").timestamp, Some(NOW));
    }

    #[test]
    fn mutated_messages_are_read_or_refused() {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let good: [&[u8]; 2] = [
            b"<165>1 2003-10-11T22:14:15.003Z host app 1 ID47 [ex@32473 iut=\"3\\\"\" b=\"c\"][d] An event",
            b"<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed",
        ];
        let mut rng = StdRng::seed_from_u64(9);
        for round in 0..10_000 {
            let mut bytes = good[round % 2].to_vec();
            for _ in 0..rng.random_range(1..5) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            bytes.truncate(rng.random_range(0..=bytes.len()));
            let _ = parse(&bytes, NOW);
            let mut framer = super::super::Framer::new(50);
            framer.push(&bytes);
            while let Ok(Some(_)) = framer.next_message() {}
            let _ = framer.rest();
        }
    }
}
