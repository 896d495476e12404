//! Reading times by Go's layouts.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use super::layout::{DAYS, MONTHS, Part, next_part, part_at};
use super::{Time, Zone};

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
            found.in_zone(if same { zone } else { Zone::Fixed(offset, [0; 5]) })
        }
        (None, Some(name)) if name == "UTC" => Time::from_local(local, Zone::Utc),
        // A name says nothing of the offset unless the zone at hand bears it; otherwise Go keeps the name with offset 0.
        (None, Some(name)) => {
            let found = Time::from_local(local, zone);
            if found.parts().abbreviation == name {
                found
            } else {
                let mut letters = [0; 5];
                letters.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
                Time::from_local(local, Zone::Fixed(0, letters))
            }
        }
        _ => Time::from_local(local, zone),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
