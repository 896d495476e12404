//! The functions of LogQL's `line_format` and `label_format` (Loki `pkg/logql/log/fmt.go`): strings, times and the entry at
//! hand. The arithmetic from sprig is in [`arithmetic`].

mod arithmetic;
mod units;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Clock;

use super::args::{int, query_unescape, replace_all, strings, test, text, time};
use super::prometheus::replace_regex;
use super::{Call, Funcs, Function, regexp, title};
use crate::time::{Time, Zone};
use crate::types::Type;
use crate::value::Value;

/// The log entry that a template is executed for. One set of functions serves many entries, one after the other.
pub trait Entry: Send + Sync {
    /// The line, `__line__`.
    fn line(&self) -> String;
    /// Nanoseconds since the Unix epoch, `__timestamp__`.
    fn timestamp_nanos(&self) -> i64;
}

/// The functions, bound to the entry at hand and a clock for `now`.
pub fn functions(entry: Arc<dyn Entry>, clock: Arc<dyn Clock>) -> Funcs {
    let mut funcs = Funcs::new();
    let line = entry.clone();
    funcs.insert("__line__", Function::new([], move |_, _| Ok(line.line().into())));
    funcs.insert("__timestamp__", Function::new([], move |_, _| Ok(Time::from_nanos(entry.timestamp_nanos()).into())));
    add_strings(&mut funcs);
    add_regexps(&mut funcs);
    add_times(&mut funcs, clock);
    arithmetic::add(&mut funcs);
    funcs
}

fn trim_set<'a>(text: &'a str, set: &str) -> &'a str {
    text.trim_matches(|c| set.contains(c))
}

fn add_strings(funcs: &mut Funcs) {
    let mut add = |name: &str, function: Function| funcs.insert(name, function);
    for name in ["ToLower", "lower"] {
        add(name, strings(1, |t| title::lower(&t[0])));
    }
    for name in ["ToUpper", "upper"] {
        add(name, strings(1, |t| title::upper(&t[0])));
    }
    for name in ["TrimSpace", "trim"] {
        add(name, strings(1, |t| t[0].trim().to_owned()));
    }
    add("Trim", strings(2, |t| trim_set(&t[0], &t[1]).to_owned()));
    add("trimAll", strings(2, |t| trim_set(&t[1], &t[0]).to_owned()));
    add("TrimLeft", strings(2, |t| t[0].trim_start_matches(|c| t[1].contains(c)).to_owned()));
    add("TrimRight", strings(2, |t| t[0].trim_end_matches(|c| t[1].contains(c)).to_owned()));
    add("TrimPrefix", strings(2, |t| t[0].strip_prefix(&*t[1]).unwrap_or(&t[0]).to_owned()));
    add("TrimSuffix", strings(2, |t| t[0].strip_suffix(&*t[1]).unwrap_or(&t[0]).to_owned()));
    add("trimPrefix", strings(2, |t| t[1].strip_prefix(&*t[0]).unwrap_or(&t[1]).to_owned()));
    add("trimSuffix", strings(2, |t| t[1].strip_suffix(&*t[0]).unwrap_or(&t[1]).to_owned()));
    add("contains", test(|part, whole| whole.contains(part)));
    add("hasPrefix", test(|part, whole| whole.starts_with(part)));
    add("hasSuffix", test(|part, whole| whole.ends_with(part)));
    add("title", strings(1, |t| title::simple_title(&t[0])));
    add(
        "Replace",
        Function::new([Type::String, Type::String, Type::String, Type::INT], |call, args| {
            replace_all(call, &text(args, 0), &text(args, 1), &text(args, 2), usize::try_from(int(args, 3)).ok())
        }),
    );
    add(
        "replace",
        Function::new([Type::String, Type::String, Type::String], |call, args| {
            replace_all(call, &text(args, 2), &text(args, 0), &text(args, 1), None)
        }),
    );
    add(
        "repeat",
        Function::new([Type::INT, Type::String], |call, args| {
            let count = usize::try_from(int(args, 0)).map_err(|_| "strings: negative Repeat count")?;
            let bytes = args[1].as_bytes().unwrap_or_default();
            call.reserve(bytes.len().saturating_mul(count))?;
            Ok(if bytes.is_empty() { "".into() } else { bytes.repeat(count).into() })
        }),
    );
    for (name, newline) in [("indent", ""), ("nindent", "\n")] {
        add(
            name,
            Function::new([Type::INT, Type::String], move |call, args| {
                let width = usize::try_from(int(args, 0)).map_err(|_| "strings: negative Repeat count")?;
                call.reserve(width)?;
                let pad = " ".repeat(width);
                let Value::Str(body) = replace_all(call, &text(args, 1), "\n", &format!("\n{pad}"), None)? else {
                    return Err("not a string".into());
                };
                Ok(format!("{newline}{pad}{}", body.lossy()).into())
            }),
        );
    }
    add("trunc", Function::new([Type::INT, Type::String], |_, args| Ok(truncate(int(args, 0), bytes(args, 1)).into())));
    add(
        "substr",
        Function::new([Type::INT, Type::INT, Type::String], |_, args| {
            substring(int(args, 0), int(args, 1), bytes(args, 2)).map(Value::from)
        }),
    );
    add(
        "alignLeft",
        Function::new([Type::INT, Type::String], |call, args| align(call, int(args, 0), &text(args, 1), true)),
    );
    add(
        "alignRight",
        Function::new([Type::INT, Type::String], |call, args| align(call, int(args, 0), &text(args, 1), false)),
    );
    add("urlencode", Function::new([Type::String], |_, args| Ok(crate::exec::url_query(bytes(args, 0)).into())));
    add("urldecode", Function::new([Type::String], |_, args| query_unescape(&text(args, 0)).map(Value::from)));
    add("b64enc", Function::new([Type::String], |_, args| Ok(STANDARD.encode(bytes(args, 0)).into())));
    add("b64dec", Function::new([Type::String], |_, args| Ok(decode_base64(bytes(args, 0)))));
    add("bytes", Function::new([Type::String], |_, args| units::parse_bytes(&text(args, 0)).map(Value::Float)));
    for name in ["duration", "duration_seconds"] {
        add(name, Function::new([Type::String], |_, args| units::parse_seconds(&text(args, 0)).map(Value::Float)));
    }
    add(
        "fromJson",
        Function::new([Type::String], |_, args| {
            // What is not JSON, or too deeply nested to be walked safely, is nothing.
            let parsed = serde_json::from_slice::<serde_json::Value>(bytes(args, 0));
            Ok(parsed.map_or(Value::Nil, |json| Value::from_json(&json)))
        }),
    );
    add(
        "default",
        Function::variadic([Type::Interface], Type::Interface, |_, args| {
            Ok(args.get(1).filter(|given| given.is_true()).unwrap_or(&args[0]).clone())
        }),
    );
}

fn bytes(args: &[Value], at: usize) -> &[u8] {
    args.get(at).and_then(Value::as_bytes).unwrap_or_default()
}

fn truncate(count: i64, text: &[u8]) -> Vec<u8> {
    let length = text.len() as i64;
    if count < 0 && length + count > 0 {
        return text[(length + count) as usize..].to_vec();
    }
    if count >= 0 && length > count { text[..count as usize].to_vec() } else { text.to_vec() }
}

fn substring(start: i64, end: i64, text: &[u8]) -> Result<Vec<u8>, String> {
    let length = text.len() as i64;
    let range = if start < 0 {
        0..end
    } else if end < 0 || end > length {
        start..length
    } else {
        start..end
    };
    match (usize::try_from(range.start), usize::try_from(range.end)) {
        (Ok(from), Ok(to)) if from <= to && to <= text.len() => Ok(text[from..to].to_vec()),
        _ => Err(format!("runtime error: slice bounds out of range [{}:{}]", range.start, range.end)),
    }
}

fn align(call: &Call, count: i64, text: &str, left: bool) -> Result<Value, String> {
    let length = text.chars().count();
    let Ok(count) = usize::try_from(count) else { return Ok(text.into()) };
    call.reserve(count.max(text.len()))?;
    Ok(match (left, count > length) {
        (true, true) => format!("{text}{}", " ".repeat(count - length)).into(),
        (false, true) => format!("{}{text}", " ".repeat(count - length)).into(),
        (true, false) => text.chars().take(count).collect::<String>().into(),
        (false, false) => text.chars().skip(length - count).collect::<String>().into(),
    })
}

fn decode_base64(text: &[u8]) -> Value {
    let mut padded: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    if !matches!(padded.len() % 4, 0 | 1) {
        padded.resize(padded.len().next_multiple_of(4), b'=');
    }
    match STANDARD.decode(&padded) {
        Ok(decoded) => decoded.into(),
        // Loki prints the error in place of the text.
        Err(error) => {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                _ => padded.len(),
            };
            format!("illegal base64 data at input byte {at}").into()
        }
    }
}

fn add_regexps(funcs: &mut Funcs) {
    for (name, literal) in [("regexReplaceAll", false), ("regexReplaceAllLiteral", true)] {
        funcs.insert(
            name,
            Function::new([Type::String, Type::String, Type::String], move |call, args| {
                let regex = regexp::compile(&text(args, 0))?;
                replace_regex(call, &regex, &text(args, 1), &text(args, 2), literal)
            }),
        );
    }
    funcs.insert(
        "count",
        Function::new([Type::String, Type::String], |_, args| {
            Ok(Value::int(regexp::compile(&text(args, 0))?.find_iter(&text(args, 1)).count() as i64))
        }),
    );
}

fn add_times(funcs: &mut Funcs, clock: Arc<dyn Clock>) {
    let mut add = |name: &str, function: Function| funcs.insert(name, function);
    let now = clock.clone();
    add("now", Function::new([], move |_, _| Ok(Time::from_timestamp(now.now()).into())));
    add(
        "date",
        Function::new([Type::String, Type::Interface], move |_, args| {
            let time = match &args[1] {
                Value::Time(time) => *time,
                Value::Int(seconds, _) => Time::from_unix(*seconds, 0),
                _ => Time::from_timestamp(clock.now()),
            };
            Ok(time.in_zone(Zone::Utc).format(&text(args, 0)).into())
        }),
    );
    add(
        "toDate",
        Function::new([Type::String, Type::String], |_, args| {
            Ok(crate::time::parse(&text(args, 0), &text(args, 1), Zone::Utc).unwrap_or(Time::ZERO).into())
        }),
    );
    add(
        "toDateInZone",
        Function::new([Type::String, Type::String, Type::String], |_, args| {
            let zone = Zone::load(&text(args, 1)).unwrap_or(Zone::Utc);
            Ok(crate::time::parse(&text(args, 0), &text(args, 2), zone).unwrap_or(Time::ZERO).into())
        }),
    );
    add("unixEpoch", Function::new([Type::Time], |_, args| Ok(time(args, 0).unix().to_string().into())));
    add(
        "unixEpochMillis",
        Function::new([Type::Time], |_, args| {
            let time = time(args, 0);
            Ok((time.unix() * 1000 + i64::from(time.subsec_nanos()) / 1_000_000).to_string().into())
        }),
    );
    add("unixEpochNanos", Function::new([Type::Time], |_, args| Ok(time(args, 0).unix_nanos().to_string().into())));
    add("unixToTime", Function::new([Type::String], |_, args| units::parse_epoch(&text(args, 0)).map(Value::Time)));
}
