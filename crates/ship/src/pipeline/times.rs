//! `timestamp`: the time of a line from what was extracted, by Go's layouts and Promtail's names for some.

use std::sync::Arc;

use config::promtail::TimestampStage;
use gotemplate::time::{Time, Zone, parse};
use hashbrown::HashMap;

use super::PipelineContext;
use crate::entry::Entry;

/// Streams whose last time is remembered.
const MOST_REMEMBERED: usize = 10_000;

/// The stage.
#[derive(Clone, Debug)]
pub(crate) struct TimestampStep {
    settings: Arc<Settings>,
    last: HashMap<u128, i64>,
}

#[derive(Debug)]
struct Settings {
    source: String,
    formats: Vec<Format>,
    zone: Zone,
    fudge: bool,
}

#[derive(Debug)]
enum Format {
    /// A number of units of so many nanoseconds; seconds may have a fraction.
    Unix(i64),
    Rfc3339,
    Layout(String),
    /// A layout without a year: the one in which the time is nearest.
    NoYear(String),
}

impl Format {
    fn new(name: &str) -> Self {
        let layout = match name {
            "Unix" => return Format::Unix(1_000_000_000),
            "UnixMs" => return Format::Unix(1_000_000),
            "UnixUs" => return Format::Unix(1_000),
            "UnixNs" => return Format::Unix(1),
            "RFC3339" | "RFC3339Nano" => return Format::Rfc3339,
            "ANSIC" => "Mon Jan _2 15:04:05 2006",
            "UnixDate" => "Mon Jan _2 15:04:05 MST 2006",
            "RubyDate" => "Mon Jan 02 15:04:05 -0700 2006",
            "RFC822" => "02 Jan 06 15:04 MST",
            "RFC822Z" => "02 Jan 06 15:04 -0700",
            "RFC850" => "Monday, 02-Jan-06 15:04:05 MST",
            "RFC1123" => "Mon, 02 Jan 2006 15:04:05 MST",
            "RFC1123Z" => "Mon, 02 Jan 2006 15:04:05 -0700",
            other if !other.contains("06") => return Format::NoYear(other.to_owned()),
            other => other,
        };
        Format::Layout(layout.to_owned())
    }

    fn read(&self, text: &str, zone: Zone, now: i64) -> Option<i64> {
        match self {
            Format::Unix(unit) => unix(text, *unit),
            Format::Rfc3339 => Time::parse_rfc3339(text).map(Time::unix_nanos),
            Format::Layout(layout) => parse(layout, text, zone).ok().map(Time::unix_nanos),
            Format::NoYear(layout) => {
                let found = parse(layout, text, zone).ok()?;
                if found.format("2006") != "0000" {
                    return None;
                }
                let now = Time::from_nanos(now);
                let year: i32 = now.format("2006").parse().ok()?;
                let year = match (found.format("1").as_str(), now.format("1").as_str()) {
                    ("12", "1") => year - 1,
                    ("1", "12") => year + 1,
                    _ => year,
                };
                parse(&format!("2006 {layout}"), &format!("{year:04} {text}"), zone).ok().map(Time::unix_nanos)
            }
        }
    }
}

fn unix(text: &str, unit: i64) -> Option<i64> {
    if unit == 1_000_000_000
        && let Some((seconds, fraction)) = text.split_once('.')
    {
        let seconds: i64 = seconds.parse().ok()?;
        let digits = i32::try_from(fraction.len()).ok()?;
        let fraction: i64 = fraction.parse().ok()?;
        let nanos = (fraction as f64 * 10_f64.powi(9 - digits)) as i64;
        return seconds.checked_mul(unit)?.checked_add(nanos);
    }
    text.parse::<i64>().ok()?.checked_mul(unit)
}

impl TimestampStep {
    pub(super) fn new(config: &TimestampStage) -> Result<Self, String> {
        let zone = match &config.location {
            Some(name) => Zone::load(name).map_err(|reason| format!("invalid location specified: {reason}"))?,
            None => Zone::Utc,
        };
        let formats = std::iter::once(&config.format).chain(&config.fallback_formats);
        let settings = Settings {
            source: config.source.clone(),
            formats: formats.map(|format| Format::new(format)).collect(),
            zone,
            fudge: config.fudge,
        };
        Ok(TimestampStep { settings: Arc::new(settings), last: HashMap::new() })
    }

    pub(super) fn apply(&mut self, entry: &mut Entry<'_>, cx: &PipelineContext) {
        let settings = &self.settings;
        let found = entry.extracted.bytes(&settings.source).and_then(|text| {
            let text = std::str::from_utf8(&text).ok()?;
            settings.formats.iter().find_map(|format| format.read(text, settings.zone, cx.stamps.now()))
        });
        if !settings.fudge {
            entry.timestamp = found.unwrap_or(entry.timestamp);
            return;
        }
        let key = entry.labels.key();
        match (found, self.last.get(&key)) {
            (Some(found), _) => entry.timestamp = found,
            (None, Some(last)) => entry.timestamp = last + 1,
            (None, None) => return,
        }
        if self.last.len() >= MOST_REMEMBERED {
            self.last.clear();
        }
        self.last.insert(key, entry.timestamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_promtails_formats() {
        let now = 1_700_000_000_000_000_000; // 2023-11-14
        for (format, text, expected) in [
            ("Unix", "1562708916", Some(1_562_708_916_000_000_000)),
            ("Unix", "1562708916.414123", Some(1_562_708_916_414_123_000)),
            ("Unix", "1562708916.000000123", Some(1_562_708_916_000_000_123)),
            ("UnixMs", "1562708916414", Some(1_562_708_916_414_000_000)),
            ("UnixUs", "1562708916414123", Some(1_562_708_916_414_123_000)),
            ("UnixNs", "1562708916000000123", Some(1_562_708_916_000_000_123)),
            ("RFC3339", "2019-07-09T21:48:36Z", Some(1_562_708_916_000_000_000)),
            ("RFC3339Nano", "2019-07-09T21:48:36.5+00:00", Some(1_562_708_916_500_000_000)),
            ("2006-01-02 15:04:05,000", "2019-07-09 21:48:36,250", Some(1_562_708_916_250_000_000)),
            ("Jan _2 15:04:05", "Nov 14 00:00:01", Some(1_699_920_001_000_000_000)),
            ("Unix", "x", None),
            ("RFC3339", "2019-07-09", None),
        ] {
            assert_eq!(Format::new(format).read(text, Zone::Utc, now), expected, "{format} {text}");
        }
        let january = 1_704_067_200_000_000_000; // 2024-01-01
        let december = Format::new("Jan _2 15:04:05").read("Dec 31 23:59:59", Zone::Utc, january);
        assert_eq!(december, Some(january - 1_000_000_000));
    }
}
