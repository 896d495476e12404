//! Times as they are written in lines: `2026-11-22T07:51:34.123Z` and its kin, as numbers that give the same text back.

/// How a time is written. All values of a column are written in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// `T` or a blank.
    pub(super) separator: u8,
    /// `.` or `,`; 0 where there is no fraction.
    pub(super) point: u8,
    /// Digits of the fraction.
    pub(super) digits: u8,
    /// 0 for nothing, 1 for `Z`, 2 for `+00:00`, 3 for `+0000`.
    pub(super) zone: u8,
    /// Minutes east of Greenwich, for the last two.
    pub(super) offset: i16,
}

impl Format {
    /// Nanoseconds of the last digit.
    pub(super) fn unit(&self) -> i64 {
        10_i64.pow(9 - u32::from(self.digits))
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
}

/// Days since 1970 of a civil date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// The date that was read last: most are the same as the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Date {
    text: [u8; 10],
    days: i64,
}

impl Date {
    /// Days since 1970 of a date with dashes.
    fn read(&mut self, text: &[u8; 10]) -> Option<i64> {
        if self.text != *text {
            let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..])?);
            let days = days(year, month.clamp(1, 12), day);
            if !(1970..2200).contains(&year) || civil(days) != (year, month, day) {
                return None;
            }
            *self = Date { text: *text, days };
        }
        Some(self.days)
    }
}

/// Reads a time: how it is written, and its number of units since 1970 in its own zone less the zone's offset.
pub(super) fn parse(text: &[u8]) -> Option<(Format, i64)> {
    parse_near(text, &mut Date::default())
}

/// The same, quicker where the date is that of the one before.
pub(super) fn parse_near(text: &[u8], before: &mut Date) -> Option<(Format, i64)> {
    let fixed = text.get(..19)?;
    let shape = |at: usize, wanted: u8| fixed[at] == wanted;
    let separator = fixed[10];
    if !(shape(4, b'-') && shape(7, b'-') && shape(13, b':') && shape(16, b':') && matches!(separator, b'T' | b' ')) {
        return None;
    }
    let date = before.read(fixed.first_chunk()?)?;
    let (hour, minute, second) = (number(&fixed[11..13])?, number(&fixed[14..16])?, number(&fixed[17..19])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &text[19..];
    let (mut point, mut digits, mut fraction) = (0, 0, 0);
    if let Some(first @ (b'.' | b',')) = rest.first() {
        let count = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 || count > 9 {
            return None;
        }
        (point, digits, fraction) = (*first, count as u8, number(&rest[1..=count])?);
        rest = &rest[1 + count..];
    }
    let (zone, offset) = match rest {
        b"" => (0, 0),
        b"Z" => (1, 0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => (2, zone(*sign, &[*h1, *h2], &[*m1, *m2])?),
        [sign @ (b'+' | b'-'), h1, h2, m1, m2] => (3, zone(*sign, &[*h1, *h2], &[*m1, *m2])?),
        _ => return None,
    };
    let format = Format { separator, point, digits, zone, offset };
    let seconds = ((date * 24 + hour) * 60 + minute - i64::from(offset)) * 60 + second;
    Some((format, seconds * (1_000_000_000 / format.unit()) + fraction))
}

fn zone(sign: u8, hours: &[u8], minutes: &[u8]) -> Option<i16> {
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    // -00:00 would come back as +00:00.
    if hours > 23 || minutes > 59 || (sign == b'-' && hours + minutes == 0) {
        return None;
    }
    let offset = (hours * 60 + minutes) as i16;
    Some(if sign == b'-' { -offset } else { offset })
}

fn put_digits(mut value: i64, count: usize, out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + count, b'0');
    for place in out[begin..].iter_mut().rev() {
        *place = b'0' + (value.rem_euclid(10)) as u8;
        value = value.div_euclid(10);
    }
}

/// Writes the time that [`parse`] read.
pub(super) fn write(format: &Format, value: i64, out: &mut Vec<u8>) {
    let units = 1_000_000_000 / format.unit();
    let (seconds, fraction) = (value.div_euclid(units), value.rem_euclid(units));
    let seconds = seconds.saturating_add(i64::from(format.offset) * 60);
    let (day, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(day);
    for (value, count, before) in [
        (year, 4, None),
        (month, 2, Some(b'-')),
        (day, 2, Some(b'-')),
        (of_day / 3600, 2, Some(format.separator)),
        (of_day / 60 % 60, 2, Some(b':')),
        (of_day % 60, 2, Some(b':')),
    ] {
        out.extend(before);
        put_digits(value, count, out);
    }
    if format.digits > 0 {
        out.push(format.point);
        put_digits(fraction, format.digits as usize, out);
    }
    if format.zone == 1 {
        out.push(b'Z');
    }
    if format.zone >= 2 {
        out.push(if format.offset < 0 { b'-' } else { b'+' });
        put_digits(i64::from(format.offset.unsigned_abs() / 60), 2, out);
        if format.zone == 2 {
            out.push(b':');
        }
        put_digits(i64::from(format.offset.unsigned_abs() % 60), 2, out);
    }
}

/// The time that was written last. Most are of the same minute as the one before.
#[derive(Clone, Debug)]
pub(super) struct Last {
    /// With bytes to spare behind it.
    pub(super) text: [u8; 80],
    pub(super) length: usize,
    minute: i64,
}

impl Last {
    pub(super) fn new(format: &Format) -> Self {
        let mut last = Last { text: [0; 80], length: 0, minute: 0 };
        last.renew(format, 0);
        last
    }

    fn renew(&mut self, format: &Format, value: i64) {
        let mut text = Vec::with_capacity(40);
        write(format, value, &mut text);
        self.length = text.len();
        self.text[..text.len()].copy_from_slice(&text);
    }

    /// Puts another time, in the same format, in place.
    pub(super) fn set(&mut self, format: &Format, value: i64) {
        let units = 1_000_000_000 / format.unit();
        let (seconds, fraction) = (value.div_euclid(units), value.rem_euclid(units));
        let (minute, second) = (seconds.div_euclid(60), seconds.rem_euclid(60) as u8);
        if minute != self.minute {
            self.minute = minute;
            self.renew(format, value);
            return;
        }
        // An offset is whole minutes.
        self.text[17] = b'0' + second / 10;
        self.text[18] = b'0' + second % 10;
        let mut rest = fraction as u64;
        for place in self.text[20..20 + format.digits as usize].iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn comes_back(text: &str) -> bool {
        let Some((format, value)) = parse(text.as_bytes()) else { return false };
        let mut out = Vec::new();
        write(&format, value, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), text);
        let mut last = Last::new(&format);
        for before in [value, value + 1, value - 1_000, 0] {
            last.set(&format, before);
            last.set(&format, value);
            assert_eq!(String::from_utf8_lossy(&last.text[..last.length]), text);
        }
        true
    }

    #[test]
    fn times_of_many_kinds_come_back() {
        for text in [
            "2026-11-22T07:51:34.123Z",
            "2026-11-22 07:51:34,123",
            "2026-11-22T07:51:34",
            "1970-01-01T00:00:00.000000000+00:00",
            "2024-02-29T23:59:59.999999-0330",
        ] {
            assert!(comes_back(text), "{text}");
        }
        for text in
            ["2023-02-29T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T07:51:34.Z", "2026-11-22T07:51:34-00:00"]
        {
            assert!(!comes_back(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_a_time_comes_back(
            text in "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9]([.,][0-9]{1,9})?(Z|[+-][01][0-9]:?[0-5][0-9]|)",
        ) {
            comes_back(&text);
        }
    }
}
