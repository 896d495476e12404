//! Sizes, durations and Unix times written in logs.

use crate::time::Time;

/// `42 MB` or `1.5GiB` as bytes (dustin/go-humanize `ParseBytes`).
pub(super) fn parse_bytes(text: &str) -> Result<f64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(text.len());
    let number = text[..digits].replace(',', "");
    let value = model::float::parse_go(&number)
        .ok_or_else(|| format!("strconv.ParseFloat: parsing {}: invalid syntax", model::float::go_quote(&number)))?;
    let unit = text[digits..].trim().to_lowercase();
    let scale = crate::size::unit(&unit).ok_or_else(|| format!("unhandled size name: {unit}"))?;
    let value = value * scale as f64;
    if value >= u64::MAX as f64 {
        return Err(format!("too large: {text}"));
    }
    Ok(value as u64 as f64)
}

/// `1m30s` as seconds.
pub(super) fn parse_seconds(text: &str) -> Result<f64, String> {
    let nanos = crate::time::duration::parse(text)
        .ok_or_else(|| format!("time: invalid duration {}", model::float::go_quote(text)))?;
    Ok(crate::time::duration::seconds(nanos))
}

/// A Unix time in days, seconds, milliseconds, microseconds or nanoseconds, told apart by its length.
pub(super) fn parse_epoch(text: &str) -> Result<Time, String> {
    let number: i64 = text.parse().map_err(|_| {
        let quoted = model::float::go_quote(text);
        format!("unable to parse time '{text}': strconv.ParseInt: parsing {quoted}: invalid syntax")
    })?;
    Ok(match text.len() {
        5 => Time::from_unix(number * 86_400, 0),
        10 => Time::from_unix(number, 0),
        13 => Time::from_nanos(number * 1_000_000),
        16 => Time::from_nanos(number * 1000),
        19 => Time::from_nanos(number),
        _ => return Err(format!("unable to parse time '{text}': %!w(<nil>)")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(parse_bytes("42 MB"), Ok(42e6));
        assert_eq!(parse_bytes("1,5.5KiB"), Ok(15_872.0));
        assert!(parse_bytes("x").is_err() && parse_bytes("1 parsec").is_err());
        assert_eq!(parse_seconds("1m30.5s"), Ok(90.5));
        assert_eq!(parse_epoch("1673798889").unwrap().unix(), 1_673_798_889);
        assert_eq!(parse_epoch("19373").unwrap().unix(), 19_373 * 86_400);
        assert!(parse_epoch("12").is_err() && parse_epoch("x").is_err());
    }
}
