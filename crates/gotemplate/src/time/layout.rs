//! Go's time layouts: the reference time `Mon Jan 2 15:04:05 MST 2006` spelled as the wanted text.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::{Time, Zone};

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
enum Part {
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
fn next_part(layout: &str) -> (&str, Option<Part>, &str) {
    for (at, _) in layout.char_indices() {
        if let Some((part, width)) = part_at(&layout[at..]) {
            return (&layout[..at], Some(part), &layout[at + width..]);
        }
    }
    (layout, None, "")
}

fn part_at(text: &str) -> Option<(Part, usize)> {
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

/// What a text said so far.
struct Fields {
    year: i32,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    pm: Option<bool>,
    offset: Option<i32>,
    abbreviation: Option<String>,
}

/// Reads a time by a layout; what the layout does not give is taken as in `0001-01-01 00:00:00`, in `zone` unless the text
/// names an offset.
pub fn parse(layout: &str, text: &str, zone: Zone) -> Result<Time, String> {
    let fail = |rest: &str, part: &str, extra: &str| {
        let q = model::float::go_quote;
        if extra.is_empty() {
            format!("parsing time {} as {}: cannot parse {} as {}", q(text), q(layout), q(rest), q(part))
        } else {
            format!("parsing time {}: {extra}", q(text))
        }
    };
    let mut fields = Fields {
        year: 0,
        month: None,
        day: None,
        year_day: None,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        pm: None,
        offset: None,
        abbreviation: None,
    };
    let mut rest_layout = layout;
    let mut rest = text;
    loop {
        let (before, part, after) = next_part(rest_layout);
        rest = skip_literal(rest, before).ok_or_else(|| fail(rest, before, ""))?;
        let Some(part) = part else {
            if !rest.is_empty() {
                return Err(fail("", "", &format!("extra text: {}", model::float::go_quote(rest))));
            }
            break;
        };
        let spelled = &rest_layout[before.len()..rest_layout.len() - after.len()];
        match take_part(part, rest, after, &mut fields) {
            Taken::Rest(next) => rest = next,
            Taken::Mismatch => return Err(fail(rest, spelled, "")),
            Taken::OutOfRange(what) => return Err(fail("", "", &format!("{what} out of range"))),
        }
        rest_layout = after;
    }
    resolve(fields, zone).ok_or_else(|| fail("", "", "day out of range"))
}

/// Literal text must match; a run of spaces in the layout matches any run of spaces.
fn skip_literal<'a>(mut text: &'a str, literal: &str) -> Option<&'a str> {
    let mut literal = literal;
    while let Some(c) = literal.chars().next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            literal = literal.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(c)?;
        literal = &literal[c.len_utf8()..];
    }
    Some(text)
}

enum Taken<'a> {
    Rest(&'a str),
    Mismatch,
    OutOfRange(&'static str),
}

fn take_part<'a>(part: Part, text: &'a str, layout_after: &str, fields: &mut Fields) -> Taken<'a> {
    let number = |least: usize, most: usize| take_number(text, least, most);
    macro_rules! bounded {
        ($parsed:expr, $range:expr, $name:literal, |$v:ident| $store:expr) => {
            match $parsed {
                Some(($v, rest)) => {
                    if !$range.contains(&$v) {
                        return Taken::OutOfRange($name);
                    }
                    $store;
                    rest
                }
                None => return Taken::Mismatch,
            }
        };
    }
    let rest = match part {
        Part::LongMonth => match take_name(text, &MONTHS, usize::MAX) {
            Some((at, rest)) => {
                fields.month = Some(at as u32 + 1);
                rest
            }
            None => return Taken::Mismatch,
        },
        Part::Month => match take_name(text, &MONTHS, 3) {
            Some((at, rest)) => {
                fields.month = Some(at as u32 + 1);
                rest
            }
            None => return Taken::Mismatch,
        },
        Part::LongWeekday | Part::Weekday => {
            match take_name(text, &DAYS, if part == Part::Weekday { 3 } else { usize::MAX }) {
                Some((_, rest)) => rest,
                None => return Taken::Mismatch,
            }
        }
        Part::NumMonth => bounded!(number(1, 2), 1..=12, "month", |v| fields.month = Some(v)),
        Part::ZeroMonth => bounded!(number(2, 2), 1..=12, "month", |v| fields.month = Some(v)),
        Part::Day => bounded!(number(1, 2), 0..=99, "day", |v| fields.day = Some(v)),
        Part::SpaceDay => {
            let trimmed = text.strip_prefix(' ').unwrap_or(text);
            bounded!(take_number(trimmed, 1, 2), 0..=99, "day", |v| fields.day = Some(v))
        }
        Part::ZeroDay => bounded!(number(2, 2), 0..=99, "day", |v| fields.day = Some(v)),
        Part::SpaceYearDay => {
            bounded!(take_number(text.trim_start_matches(' '), 1, 3), 1..=366, "day-of-year", |v| fields.year_day =
                Some(v))
        }
        Part::ZeroYearDay => bounded!(number(3, 3), 1..=366, "day-of-year", |v| fields.year_day = Some(v)),
        Part::Hour => bounded!(number(1, 2), 0..=23, "hour", |v| fields.hour = v),
        Part::Hour12 => bounded!(number(1, 2), 0..=12, "hour", |v| fields.hour = v),
        Part::ZeroHour12 => bounded!(number(2, 2), 0..=12, "hour", |v| fields.hour = v),
        Part::Minute => bounded!(number(1, 2), 0..=59, "minute", |v| fields.minute = v),
        Part::ZeroMinute => bounded!(number(2, 2), 0..=59, "minute", |v| fields.minute = v),
        Part::Second | Part::ZeroSecond => {
            let least = if part == Part::Second { 1 } else { 2 };
            let rest = bounded!(number(least, 2), 0..=59, "second", |v| fields.second = v);
            // A fraction may follow the seconds even where the layout has none.
            let fraction_next = matches!(part_at_start(layout_after), Some(Part::Fraction { .. }));
            if !fraction_next && rest.starts_with(['.', ',']) && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
                take_fraction(rest, fields)
            } else {
                rest
            }
        }
        Part::LongYear => bounded!(number(4, 4), 0..=9999, "year", |v| fields.year = v as i32),
        Part::Year => bounded!(number(2, 2), 0..=99, "year", |v| {
            fields.year = v as i32 + if v >= 69 { 1900 } else { 2000 };
        }),
        Part::UpperPm | Part::LowerPm => {
            let (pm, am) = if part == Part::UpperPm { ("PM", "AM") } else { ("pm", "am") };
            let Some(rest) = text.strip_prefix(pm).or_else(|| text.strip_prefix(am)) else { return Taken::Mismatch };
            fields.pm = Some(text.starts_with(pm));
            rest
        }
        Part::Abbreviation => {
            let end = text.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(text.len());
            if !(3..=5).contains(&end) {
                return Taken::Mismatch;
            }
            fields.abbreviation = Some(text[..end].to_owned());
            &text[end..]
        }
        Part::Offset { z, colon, seconds, hours_only } => {
            if z && text.starts_with('Z') {
                fields.offset = Some(0);
                return Taken::Rest(&text[1..]);
            }
            match take_offset(text, colon, seconds, hours_only) {
                Some((offset, rest)) => {
                    fields.offset = Some(offset);
                    rest
                }
                None => return Taken::Mismatch,
            }
        }
        Part::Fraction { digits, trim, .. } => {
            let found = text.bytes().skip(1).take_while(u8::is_ascii_digit).count();
            if !text.starts_with(['.', ',']) || found == 0 {
                return if trim { Taken::Rest(text) } else { Taken::Mismatch };
            }
            if !trim && found < digits {
                return Taken::Mismatch;
            }
            take_fraction(text, fields)
        }
    };
    Taken::Rest(rest)
}

fn part_at_start(layout: &str) -> Option<Part> {
    if layout.is_empty() { None } else { part_at(layout).map(|(part, _)| part) }
}

fn take_number(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < least {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

fn take_name<'a>(text: &'a str, names: &[&str], cut: usize) -> Option<(usize, &'a str)> {
    names.iter().enumerate().find_map(|(i, name)| {
        let name = &name[..name.len().min(cut)];
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name).then(|| (i, &text[name.len()..]))
    })
}

fn take_fraction<'a>(text: &'a str, fields: &mut Fields) -> &'a str {
    let digits = text.bytes().skip(1).take_while(u8::is_ascii_digit).count();
    let nanos: String = text[1..=digits].chars().chain(std::iter::repeat('0')).take(9).collect();
    fields.nanos = nanos.parse().unwrap_or(0);
    &text[1 + digits..]
}

fn take_offset(text: &str, colon: bool, seconds: bool, hours_only: bool) -> Option<(i32, &str)> {
    let sign = match text.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, mut rest) = take_number(&text[1..], 2, 2)?;
    let mut offset = hours as i32 * 3600;
    let fields = usize::from(!hours_only) + usize::from(seconds);
    for scale in [60, 1].into_iter().take(fields) {
        if colon {
            rest = rest.strip_prefix(':')?;
        }
        let (value, next) = take_number(rest, 2, 2)?;
        offset += value as i32 * scale;
        rest = next;
    }
    Some((sign * offset, rest))
}

fn resolve(fields: Fields, zone: Zone) -> Option<Time> {
    let mut hour = fields.hour;
    match fields.pm {
        Some(true) if hour < 12 => hour += 12,
        Some(false) if hour == 12 => hour = 0,
        _ => {}
    }
    let date = match fields.year_day {
        Some(day) if fields.month.is_none() => NaiveDate::from_yo_opt(fields.year, day)?,
        _ => NaiveDate::from_ymd_opt(fields.year, fields.month.unwrap_or(1), fields.day.unwrap_or(1))?,
    };
    let time = NaiveTime::from_hms_nano_opt(hour, fields.minute, fields.second, fields.nanos)?;
    let local = NaiveDateTime::new(date, time);
    Some(match (fields.offset, fields.abbreviation) {
        (Some(offset), _) => {
            let utc = local.and_utc().timestamp() - i64::from(offset);
            let found = Time::from_unix(utc, fields.nanos.into());
            let same = found.in_zone(zone).parts().offset == offset;
            found.in_zone(if same { zone } else { Zone::Fixed(offset) })
        }
        (None, Some(name)) if name == "UTC" => Time::from_local(local, Zone::Utc),
        _ => Time::from_local(local, zone),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn parses() {
        let read = |layout: &str, text: &str| parse(layout, text, Zone::Utc).map(|time| time.to_string());
        assert_eq!(read("2006-01-02", "2024-02-29").unwrap(), "2024-02-29 00:00:00 +0000 UTC");
        assert_eq!(
            read("2006-01-02T15:04:05Z07:00", "2024-02-29T10:11:12.5+02:00").unwrap(),
            "2024-02-29 10:11:12.5 +0200 +0200"
        );
        assert_eq!(read("Jan _2 3:04PM 06", "Feb  7 9:05PM 99").unwrap(), "1999-02-07 21:05:00 +0000 UTC");
        for (layout, text) in
            [("2006-01-02", "2024-02-30"), ("2006-01-02", "2024-13-01"), ("15:04", "1x:04"), ("2006", "2024x")]
        {
            assert!(read(layout, text).is_err(), "{text}");
        }
        let berlin = Zone::load("Europe/Berlin").unwrap();
        assert_eq!(parse("2006-01-02 15:04", "2024-07-01 12:00", berlin).unwrap().unix(), 1_719_828_000);
    }
}
