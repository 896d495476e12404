//! The sections `time_intervals` and `mute_time_intervals`.

use crate::alertmanager::time_interval::{read_days, read_minutes, read_months, read_weekdays, read_years};
use crate::alertmanager::{NamedTimeInterval, TimeInterval, TimeRangeOfDay};
use crate::decode::Fields;

use super::unique;

const KEYS: &[&str] = &["times", "weekdays", "days_of_month", "months", "years", "location"];

/// Both sections; a name may stand in one of them once.
pub(super) fn named(outer: &Fields<'_, '_>) -> Vec<NamedTimeInterval> {
    let mut names = Vec::new();
    let mut out = Vec::new();
    for key in ["mute_time_intervals", "time_intervals"] {
        if key == "mute_time_intervals" && outer.get(key).is_some() {
            outer.context.warning(outer.place(key), key, "is deprecated; use time_intervals");
        }
        let found = outer.sections(key, |context, node, path| {
            let f = Fields::open(context, node, path, &[&["name", "time_intervals"]]);
            let name = f.text_or_empty("name");
            if name.is_empty() {
                f.problem("name", "missing name in time interval");
            }
            let intervals = f.sections("time_intervals", |context, node, path| {
                Some(interval(&Fields::open(context, node, path, &[KEYS])))
            });
            Some((f.place("name"), f.key("name"), NamedTimeInterval { name, intervals }))
        });
        for (at, path, interval) in found {
            names.push((interval.name.clone(), at, path));
            out.push(interval);
        }
    }
    unique(outer, "time interval", &names);
    out
}

fn interval(f: &Fields<'_, '_>) -> TimeInterval {
    let times = f.sections("times", |context, node, path| {
        let f = Fields::open(context, node, path, &[&["start_time", "end_time"]]);
        let minutes = |key: &str| match f.text(key) {
            Some(text) => read_minutes(&text).map_err(|error| f.problem(key, error)).ok(),
            None => {
                f.problem(key, "both start and end times must be provided");
                None
            }
        };
        let range = TimeRangeOfDay { start: minutes("start_time")?, end: minutes("end_time")? };
        if range.start >= range.end {
            f.problem("end_time", "start time cannot be equal or greater than end time");
        }
        Some(range)
    });
    let location = f.text("location").filter(|name| !name.is_empty()).and_then(|name| match name.as_str() {
        "UTC" => None,
        // The zone of the machine, as the C library names it.
        "Local" => std::env::var("TZ").ok().and_then(|name| name.parse().ok()),
        name => match name.parse() {
            Ok(zone) => Some(zone),
            Err(_) => {
                f.problem("location", format!("unknown time zone {name}; expected a name such as Europe/Berlin"));
                None
            }
        },
    });
    TimeInterval {
        times,
        weekdays: ranges(f, "weekdays", read_weekdays),
        days_of_month: ranges(f, "days_of_month", read_days),
        months: ranges(f, "months", read_months),
        years: ranges(f, "years", read_years),
        location,
    }
}

fn ranges<T>(f: &Fields<'_, '_>, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    let mut out = Vec::new();
    let Some(node) = f.get(key) else { return out };
    for (path, item) in f.context.items(node, &f.key(key)) {
        let Some(text) = f.context.text(item, &path) else { continue };
        match read(&text) {
            Ok(range) => out.push(range),
            Err(error) => f.context.problem(item.at, &path, error),
        }
    }
    out
}
