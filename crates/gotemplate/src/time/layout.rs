//! Go's time layouts: the reference time `Mon Jan 2 15:04:05 MST 2006` spelled as the wanted text.

use chrono::{Datelike, Timelike};

use super::Time;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    SpaceDay,
    ZeroDay,
    SpaceYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Abbreviation,
    /// Offset: `Z` for UTC, colons, seconds, hours only.
    Offset {
        z: bool,
        colon: bool,
        seconds: bool,
        hours_only: bool,
    },
    /// Fraction of so many digits; trimmed of zeros where written with nines; the separator is `.` or `,`.
    Fraction {
        digits: usize,
        trim: bool,
        comma: bool,
    },
}

const OFFSETS: [(&str, Part); 10] = [
    ("-07:00:00", Part::Offset { z: false, colon: true, seconds: true, hours_only: false }),
    ("-070000", Part::Offset { z: false, colon: false, seconds: true, hours_only: false }),
    ("-07:00", Part::Offset { z: false, colon: true, seconds: false, hours_only: false }),
    ("-0700", Part::Offset { z: false, colon: false, seconds: false, hours_only: false }),
    ("-07", Part::Offset { z: false, colon: false, seconds: false, hours_only: true }),
    ("Z07:00:00", Part::Offset { z: true, colon: true, seconds: true, hours_only: false }),
    ("Z070000", Part::Offset { z: true, colon: false, seconds: true, hours_only: false }),
    ("Z07:00", Part::Offset { z: true, colon: true, seconds: false, hours_only: false }),
    ("Z0700", Part::Offset { z: true, colon: false, seconds: false, hours_only: false }),
    ("Z07", Part::Offset { z: true, colon: false, seconds: false, hours_only: true }),
];

/// The next part of a layout: what stands before it, the part, and what follows.
pub(super) fn next_part(layout: &str) -> (&str, Option<Part>, &str) {
    for (at, _) in layout.char_indices() {
        if let Some((part, width)) = part_at(&layout[at..]) {
            return (&layout[..at], Some(part), &layout[at + width..]);
        }
    }
    (layout, None, "")
}

pub(super) fn part_at(text: &str) -> Option<(Part, usize)> {
    let fixed = |prefix: &str, part: Part| text.starts_with(prefix).then_some((part, prefix.len()));
    let lower_follows = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_lowercase);
    match text.as_bytes()[0] {
        b'J' => fixed("January", Part::LongMonth).or_else(|| fixed("Jan", Part::Month).filter(|_| !lower_follows(3))),
        b'M' => fixed("Monday", Part::LongWeekday)
            .or_else(|| fixed("Mon", Part::Weekday).filter(|_| !lower_follows(3)))
            .or_else(|| fixed("MST", Part::Abbreviation)),
        b'0' => [
            ("01", Part::ZeroMonth),
            ("002", Part::ZeroYearDay),
            ("02", Part::ZeroDay),
            ("03", Part::ZeroHour12),
            ("04", Part::ZeroMinute),
            ("05", Part::ZeroSecond),
            ("06", Part::Year),
        ]
        .into_iter()
        .find_map(|(prefix, part)| fixed(prefix, part)),
        b'1' => fixed("15", Part::Hour).or_else(|| fixed("1", Part::NumMonth)),
        b'2' => fixed("2006", Part::LongYear).or_else(|| fixed("2", Part::Day)),
        b'_' if text.starts_with("_2006") => None, // an underscore before a year
        b'_' => fixed("__2", Part::SpaceYearDay).or_else(|| fixed("_2", Part::SpaceDay)),
        b'3' => fixed("3", Part::Hour12),
        b'4' => fixed("4", Part::Minute),
        b'5' => fixed("5", Part::Second),
        b'P' => fixed("PM", Part::UpperPm),
        b'p' => fixed("pm", Part::LowerPm),
        b'-' | b'Z' => OFFSETS.iter().find_map(|(prefix, part)| fixed(prefix, *part)),
        b'.' | b',' => {
            let digit = *text.as_bytes().get(1).filter(|b| matches!(b, b'0' | b'9'))?;
            let digits = text.bytes().skip(1).take_while(|b| *b == digit).count();
            // A run of zeros or nines that ends in another digit is no fraction.
            if text.as_bytes().get(1 + digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            let comma = text.starts_with(',');
            Some((Part::Fraction { digits, trim: digit == b'9', comma }, 1 + digits))
        }
        _ => None,
    }
}

/// Writes a time by a layout.
pub(super) fn format(time: Time, layout: &str) -> String {
    let parts = time.parts();
    let mut out = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    while !rest.is_empty() {
        let (before, part, after) = next_part(rest);
        out.push_str(before);
        let Some(part) = part else { break };
        push_part(&mut out, part, &parts);
        rest = after;
    }
    out
}

fn push_part(out: &mut String, part: Part, parts: &super::Parts) {
    let local = parts.local;
    let hour12 = match local.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let text = match part {
        Part::LongMonth => MONTHS[local.month0() as usize].to_owned(),
        Part::Month => MONTHS[local.month0() as usize][..3].to_owned(),
        Part::NumMonth => local.month().to_string(),
        Part::ZeroMonth => format!("{:02}", local.month()),
        Part::LongWeekday => DAYS[local.weekday().num_days_from_sunday() as usize].to_owned(),
        Part::Weekday => DAYS[local.weekday().num_days_from_sunday() as usize][..3].to_owned(),
        Part::Day => local.day().to_string(),
        Part::SpaceDay => format!("{:2}", local.day()),
        Part::ZeroDay => format!("{:02}", local.day()),
        Part::SpaceYearDay => format!("{:3}", local.ordinal()),
        Part::ZeroYearDay => format!("{:03}", local.ordinal()),
        Part::Hour => format!("{:02}", local.hour()),
        Part::Hour12 => hour12.to_string(),
        Part::ZeroHour12 => format!("{hour12:02}"),
        Part::Minute => local.minute().to_string(),
        Part::ZeroMinute => format!("{:02}", local.minute()),
        Part::Second => local.second().to_string(),
        Part::ZeroSecond => format!("{:02}", local.second()),
        Part::LongYear if local.year() < 0 => format!("-{:04}", -local.year()),
        Part::LongYear => format!("{:04}", local.year()),
        Part::Year => format!("{:02}", local.year().rem_euclid(100)),
        Part::UpperPm => if local.hour() >= 12 { "PM" } else { "AM" }.to_owned(),
        Part::LowerPm => if local.hour() >= 12 { "pm" } else { "am" }.to_owned(),
        Part::Abbreviation if !parts.abbreviation.is_empty() => parts.abbreviation.clone(),
        // A zone without a name shows its offset.
        Part::Abbreviation => {
            let minutes = parts.offset.abs() / 60;
            format!("{}{:02}{:02}", if parts.offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
        }
        Part::Offset { z: true, .. } if parts.offset == 0 => "Z".to_owned(),
        Part::Offset { colon, seconds, hours_only, .. } => {
            let offset = parts.offset.abs();
            let colon = if colon { ":" } else { "" };
            let mut text = format!("{}{:02}", if parts.offset < 0 { '-' } else { '+' }, offset / 3600);
            if !hours_only {
                text.push_str(&format!("{colon}{:02}", offset / 60 % 60));
            }
            if seconds {
                text.push_str(&format!("{colon}{:02}", offset % 60));
            }
            text
        }
        Part::Fraction { digits, trim, comma } => {
            let nanos = format!("{:09}", local.nanosecond() % 1_000_000_000);
            let mut fraction: String = nanos.chars().chain(std::iter::repeat('0')).take(digits).collect();
            if trim {
                fraction.truncate(fraction.trim_end_matches('0').len());
            }
            if fraction.is_empty() { fraction } else { format!("{}{fraction}", if comma { ',' } else { '.' }) }
        }
    };
    out.push_str(&text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Zone;

    #[test]
    fn formats() {
        let time = Time::parse_rfc3339("2026-03-29T01:30:05.120Z").unwrap();
        let berlin = time.in_zone(Zone::load("Europe/Berlin").unwrap());
        for (layout, utc, local) in [
            ("2006-01-02 15:04:05 MST", "2026-03-29 01:30:05 UTC", "2026-03-29 03:30:05 CEST"),
            ("Mon Jan _2 3:04PM -0700", "Sun Mar 29 1:30AM +0000", "Sun Mar 29 3:30AM +0200"),
            ("02.01.06 .000 .999 Z07:00", "29.03.26 .120 .12 Z", "29.03.26 .120 .12 +02:00"),
            ("Monday January 2 __2 002", "Sunday March 29  88 088", "Sunday March 29  88 088"),
            ("Janus 1/2/2006 5.00", "Janus 3/29/2026 5.12", "Janus 3/29/2026 5.12"),
        ] {
            assert_eq!(time.format(layout), utc);
            assert_eq!(berlin.format(layout), local);
        }
        assert_eq!(Time::ZERO.to_string(), "0001-01-01 00:00:00 +0000 UTC");
    }
}
