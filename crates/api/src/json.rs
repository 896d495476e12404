//! JSON written straight into bytes: strings, Go-formatted values, timestamps and label sets.
//!
//! Results can hold millions of points; a tree of values in between would cost many times their size.

use std::io::Write;

use model::Labels;

/// Appends a quoted and escaped string.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    let needs_escape = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    let bytes = text.as_bytes();
    out.push(b'"');
    // Nearly all texts are plain, which a loop without branches tells fastest.
    if !bytes.iter().fold(false, |any, byte| any | needs_escape(*byte)) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    let mut plain_from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !needs_escape(byte) {
            continue;
        }
        out.extend_from_slice(&bytes[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => push_display(out, format_args!("\\u{other:04x}")),
        }
    }
    out.extend_from_slice(&bytes[plain_from..]);
    out.push(b'"');
}

/// Appends a list of strings.
pub(crate) fn push_strings<S: AsRef<str>>(out: &mut Vec<u8>, texts: &[S]) {
    out.push(b'[');
    for (i, text) in texts.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        push_string(out, text.as_ref());
    }
    out.push(b']');
}

/// Appends `{"name":"value",...}`.
pub(crate) fn push_labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (i, label) in labels.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        push_string(out, label.name);
        out.push(b':');
        push_string(out, label.value);
    }
    out.push(b'}');
}

/// Appends milliseconds as seconds with as many decimals as needed.
pub(crate) fn push_timestamp(out: &mut Vec<u8>, ms: i64) {
    if ms < 0 {
        out.push(b'-');
    }
    let ms = ms.unsigned_abs();
    push_integer(out, ms / 1000);
    let fraction = ms % 1000;
    if fraction != 0 {
        out.push(b'.');
        out.extend([fraction / 100, fraction / 10 % 10, fraction % 10].map(|digit| b'0' + digit as u8));
    }
}

/// Appends a sample value as a quoted string: Go's `'f'` format, `'e'` below 1e-6 and from 1e21 on (`jsonutil.MarshalFloat`).
pub(crate) fn push_value(out: &mut Vec<u8>, value: f64) {
    const EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
    out.push(b'"');
    let size = value.abs();
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if size < EXACT_INTEGER && value.trunc() == value && (value != 0.0 || value.is_sign_positive()) {
        if value < 0.0 {
            out.push(b'-');
        }
        push_integer(out, size as u64);
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        push_scientific(out, value);
    } else {
        push_decimal(out, value);
    }
    out.push(b'"');
}

/// Appends the shortest decimal text that reads back, without an exponent. Of two that are as near, the one with the even last
/// digit, as Go takes it (and the standard library does not).
fn push_decimal(out: &mut Vec<u8>, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    let Some((mantissa, exponent)) = text.split_once('e') else {
        out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
        return;
    };
    let digits = mantissa.trim_start_matches('-').bytes().filter(u8::is_ascii_digit);
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    if mantissa.starts_with('-') {
        out.push(b'-');
    }
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend((1..-exponent).map(|_| b'0'));
        out.extend(digits);
        return;
    }
    // Numbers so large have no fraction left: the digits reach as far as the point at most.
    let begin = out.len();
    out.extend(digits);
    out.resize(begin + exponent as usize + 1, b'0');
}

fn push_scientific(out: &mut Vec<u8>, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let (mantissa, exponent) = buffer.format_finite(value).split_once('e').expect("such a size has an exponent");
    let mantissa = mantissa.strip_suffix(".0").unwrap_or(mantissa);
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let sign = if exponent < 0 { '-' } else { '+' };
    push_display(out, format_args!("{mantissa}e{sign}{:02}", exponent.abs()));
}

/// Appends an integer in decimal.
pub(crate) fn push_integer(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends formatted text as it is.
pub(crate) fn push_display(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_look_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (1234.5678, "1234.5678"),
            (1e-6, "0.000001"),
            (-1.25e-6, "-0.00000125"),
            (1_385_516_454_905_014.0 + 0.25, "1385516454905014.2"),
            (1.5e20, "150000000000000000000"),
            (-123_456_789_012_345_680_000.0, "-123456789012345680000"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9.5e-7, "9.5e-07"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (-2.5e-10, "-2.5e-10"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(written(|out| push_value(out, value)), format!("\"{text}\""));
        }
    }

    #[test]
    fn timestamps_are_seconds() {
        for (ms, text) in [
            (0, "0"),
            (1, "0.001"),
            (10, "0.010"),
            (120, "0.120"),
            (1_435_781_451_781, "1435781451.781"),
            (-1500, "-1.500"),
            (i64::MIN, "-9223372036854775.808"),
        ] {
            assert_eq!(written(|out| push_timestamp(out, ms)), text);
        }
    }

    proptest! {
        #[test]
        fn strings_read_back(text in ".*|[\\x00-\\x7f]{0,40}") {
            let json = written(|out| push_string(out, &text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn decimals_are_the_shortest(bits in any::<u64>(), digits in any::<i64>(), divisor in 0..20) {
            for value in [f64::from_bits(bits), digits as f64 / 10_f64.powi(divisor)] {
                if !value.is_finite() {
                    continue;
                }
                let text = written(|out| push_decimal(out, value));
                prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
                prop_assert_eq!(text.len(), format!("{value}").len());
            }
        }

        #[test]
        fn values_read_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let text = written(|out| push_value(out, value));
            let back: f64 = text.trim_matches('"').parse().unwrap();
            prop_assert!(back == value || (back.is_nan() && value.is_nan()), "{}", text);
        }
    }
}
