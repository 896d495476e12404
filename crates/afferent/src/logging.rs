//! Logs of the process itself: on standard error as text for people, or as one JSON object a line (`LOG_FORMAT=json`), and into
//! the log store, where they are searched like those of any service. `LOG_LEVEL` chooses what is logged.
//!
//! JSON lines have the fields `timestamp`, `level`, `logger`, `message`, `service_name`, `trace_id` and `span_id`, then
//! `environment` and `region` where `ENVIRONMENT` and `REGION` are set, then those of the event.

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, SecondsFormat, Utc};
use model::{Clock, SystemClock, Timestamp};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, warn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as fmt_layer};

use crate::own_logs::OwnLogs;

/// The name under which the process logs.
pub(crate) const SERVICE_NAME: &str = "afferent";

/// Starts logging as the environment asks, and answers what keeps the lines for the store. An unreadable `LOG_LEVEL` counts as
/// `info`, an unknown `LOG_FORMAT` as text; either is said.
pub(crate) fn start() -> Arc<OwnLogs> {
    let level = std::env::var("LOG_LEVEL").unwrap_or_default().to_ascii_lowercase();
    let known = filter(&level);
    let is_known = known.is_some();
    let filter = known.unwrap_or_else(|| EnvFilter::new("info"));
    let own = Arc::new(OwnLogs::default());
    let registry = tracing_subscriber::registry().with(filter).with(Keep(own.clone()));
    // A log that cannot be written (a full disk, a reader that left) must not stop what is logged about: by default the library
    // would say so on standard error, and panic there.
    let format = std::env::var("LOG_FORMAT").unwrap_or_default().to_ascii_lowercase();
    if format == "json" {
        let lines = fmt_layer::layer().with_writer(std::io::stderr).log_internal_errors(false);
        registry.with(lines.event_format(JsonLines)).init();
    } else {
        let lines = fmt_layer::layer().with_writer(std::io::stderr).log_internal_errors(false);
        registry.with(lines.with_timer(WallClock).with_ansi(std::io::stderr().is_terminal())).init();
    }
    if !is_known {
        warn!(
            level,
            "LOG_LEVEL is none of trace, debug, info, warning, error, critical and off, nor a list of target=level"
        );
    }
    if !matches!(format.as_str(), "" | "json" | "text") {
        warn!(format, "LOG_FORMAT is neither json nor text");
    }
    own
}

/// What `LOG_LEVEL` lets through, in small letters; `None` where it says nothing known.
fn filter(level: &str) -> Option<EnvFilter> {
    match level {
        "" | "info" => Some(EnvFilter::new("info")),
        "warning" | "warn" => Some(EnvFilter::new("warn")),
        "critical" | "fatal" | "error" => Some(EnvFilter::new("error")),
        "trace" | "debug" | "off" => Some(EnvFilter::new(level)),
        // A bare word would be taken for a target, and nothing else be logged.
        list if list.contains('=') => EnvFilter::try_new(list).ok(),
        _ => None,
    }
}

fn text_of(now: Timestamp) -> String {
    DateTime::<Utc>::from_timestamp_millis(now.ms()).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// An event as a line of JSON.
fn line(event: &Event<'_>, now: Timestamp) -> String {
    let level = match *event.metadata().level() {
        Level::WARN => "WARNING",
        level => level.as_str(),
    };
    let mut line = Map::new();
    line.insert("timestamp".into(), text_of(now).into());
    line.insert("level".into(), level.into());
    line.insert("logger".into(), event.metadata().target().into());
    line.insert("message".into(), "".into());
    line.insert("service_name".into(), SERVICE_NAME.into());
    line.insert("trace_id".into(), "".into());
    line.insert("span_id".into(), "".into());
    for (name, value) in place() {
        line.insert((*name).to_owned(), value.clone().into());
    }
    event.record(&mut Fields(&mut line));
    Value::Object(line).to_string()
}

/// Where the process runs, as `ENVIRONMENT` and `REGION` say.
pub(crate) fn place() -> &'static [(&'static str, String)] {
    static PLACE: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    PLACE.get_or_init(|| {
        let named = [("environment", "ENVIRONMENT"), ("region", "REGION")];
        let given = named.into_iter().filter_map(|(name, variable)| Some((name, std::env::var(variable).ok()?)));
        given.filter(|(_, value)| !value.is_empty()).collect()
    })
}

struct WallClock;

impl FormatTime for WallClock {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        w.write_str(&text_of(SystemClock.now()))
    }
}

struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writeln!(writer, "{}", line(event, SystemClock.now()))
    }
}

/// Keeps lines for the store.
struct Keep(Arc<OwnLogs>);

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let now = SystemClock.now();
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        self.0.keep(now, level, || line(event, now));
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn set(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_the_names_that_services_use() {
        for level in ["", "info", "warning", "critical", "off", "afferent=debug,info"] {
            assert!(filter(level).is_some(), "{level}");
        }
        assert!(filter("nonsense").is_none() && filter("a=loud").is_none());
    }
}
