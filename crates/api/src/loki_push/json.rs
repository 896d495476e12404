//! Loki's push in JSON, in its present form and in that of `/api/prom/push`.
//!
//! What is no JSON, or has another shape, is an error before anything was admitted. A wrong time or metadata that is no text
//! takes away its own entry only.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::log_intake::admission::{Admission, metadata_name};
use crate::log_intake::label_text::Pairs;
use crate::log_intake::refusals::Reason;

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow, default)]
    streams: Vec<JsonStream<'a>>,
}

#[derive(Deserialize)]
struct JsonStream<'a> {
    #[serde(borrow, default)]
    stream: Map<'a>,
    #[serde(borrow, default)]
    values: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct LegacyPush<'a> {
    #[serde(borrow, default)]
    streams: Vec<LegacyStream<'a>>,
}

#[derive(Deserialize)]
struct LegacyStream<'a> {
    #[serde(borrow, default)]
    labels: Cow<'a, str>,
    #[serde(borrow, default)]
    entries: Vec<LegacyEntry<'a>>,
}

#[derive(Deserialize)]
struct LegacyEntry<'a> {
    #[serde(borrow, default, alias = "timestamp")]
    ts: Cow<'a, str>,
    #[serde(borrow, default)]
    line: Line<'a>,
}

/// Bytes of a string, which need not be UTF-8.
#[derive(Default)]
struct Line<'a>(Cow<'a, [u8]>);

/// Names and texts; `None` where a value is no text.
#[derive(Default)]
struct Map<'a>(Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>);

/// `["<nanoseconds>", "<line>", {"<name>": "<value>"}]`.
struct Entry<'a> {
    time: Loose<'a>,
    line: Line<'a>,
    metadata: Map<'a>,
}

/// A text, or what else stood there.
enum Loose<'a> {
    Text(Cow<'a, str>),
    Other,
}

/// Admits a message; answers the number of its streams.
pub(super) fn admit(message: &[u8], admission: &mut Admission<'_>) -> Result<usize, serde_json::Error> {
    let push: Push<'_> = serde_json::from_slice(message)?;
    let count = push.streams.len();
    for JsonStream { stream, values } in push.streams {
        if values.is_empty() {
            continue;
        }
        let mut place = if let Some((name, _)) = stream.0.iter().find(|(_, value)| value.is_none()) {
            admission
                .refusals
                .refuse_stream(Reason::InvalidLabels, || format!("the value of label {name:?} is not a string"));
            None
        } else {
            let pairs: Pairs<'_> = stream.0.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            admission.stream(&pairs)
        };
        for Entry { time, line, metadata } in &values {
            let Some(place) = &mut place else {
                admission.lost(line.0.len());
                continue;
            };
            let time = match time {
                Loose::Text(text) => {
                    text.parse::<i64>().map_err(|_| format!("the time {text:?} is not a number of nanoseconds"))
                }
                Loose::Other => Err("the time of an entry must be a string of nanoseconds".to_owned()),
            };
            let time = match time {
                Ok(time) => time,
                Err(reason) => {
                    admission.malformed(line.0.len(), || reason);
                    continue;
                }
            };
            if let Some((name, _)) = metadata.0.iter().find(|(_, value)| value.is_none()) {
                let reason = || format!("the value of structured metadata {name:?} is not a string");
                admission.malformed(line.0.len(), reason);
                continue;
            }
            let names: Vec<Cow<'_, str>> = metadata.0.iter().map(|(name, _)| metadata_name(name)).collect();
            let values = metadata.0.iter().map(|(_, value)| value.as_deref().unwrap_or_default());
            let metadata: Vec<(&str, &str)> = names.iter().map(AsRef::as_ref).zip(values).collect();
            admission.entry(place, time, &line.0, &metadata);
        }
    }
    Ok(count)
}

/// The same for the legacy form.
pub(super) fn admit_legacy(message: &[u8], admission: &mut Admission<'_>) -> Result<usize, serde_json::Error> {
    let push: LegacyPush<'_> = serde_json::from_slice(message)?;
    for LegacyStream { labels, entries } in &push.streams {
        if entries.is_empty() {
            continue;
        }
        let mut place = admission.stream_named(labels);
        for LegacyEntry { ts, line } in entries {
            let Some(place) = &mut place else {
                admission.lost(line.0.len());
                continue;
            };
            let time = chrono::DateTime::parse_from_rfc3339(ts).ok().and_then(|time| time.timestamp_nanos_opt());
            match time {
                Some(time) => admission.entry(place, time, &line.0, &[]),
                None => {
                    let reason = || format!("the time {ts:?} is not RFC 3339");
                    admission.malformed(line.0.len(), reason);
                }
            }
        }
    }
    Ok(push.streams.len())
}

impl<'de: 'a, 'a> Deserialize<'de> for Line<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct LineVisitor;
        impl<'de> Visitor<'de> for LineVisitor {
            type Value = Line<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a line as a string")
            }
            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Line<'de>, E> {
                Ok(Line(Cow::Borrowed(bytes)))
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Line<'de>, E> {
                Ok(Line(Cow::Owned(bytes.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Line<'de>, A::Error> {
                Err(A::Error::custom("a line must be a string, not an array"))
            }
        }
        from.deserialize_bytes(LineVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct LooseVisitor;
        impl<'de> Visitor<'de> for LooseVisitor {
            type Value = Loose<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Loose<'de>, E> {
                Ok(Loose::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Loose<'de>, E> {
                Ok(Loose::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Loose<'de>, E> {
                Ok(Loose::Other)
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Loose<'de>, E> {
                Ok(Loose::Other)
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Loose<'de>, E> {
                Ok(Loose::Other)
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Loose<'de>, E> {
                Ok(Loose::Other)
            }
            fn visit_unit<E: Error>(self) -> Result<Loose<'de>, E> {
                Ok(Loose::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Loose<'de>, A::Error> {
                while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose::Other)
            }
        }
        from.deserialize_any(LooseVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Map<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = Map<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Map<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = items.next_entry::<Loose<'de>, Loose<'de>>()? {
                    let Loose::Text(name) = name else { return Err(A::Error::custom("a name must be a string")) };
                    let value = match value {
                        Loose::Text(text) => Some(text),
                        Loose::Other => None,
                    };
                    pairs.push((name, value));
                }
                Ok(Map(pairs))
            }
        }
        from.deserialize_map(MapVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entry<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an entry: [\"<nanoseconds>\", \"<line>\", {structured metadata}]")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entry<'de>, A::Error> {
                let time = items.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let line = items.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
                let metadata = items.next_element()?.unwrap_or_default();
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Entry { time, line, metadata })
            }
        }
        from.deserialize_seq(EntryVisitor)
    }
}
