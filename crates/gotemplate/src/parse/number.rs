//! Number constants: Go keeps them untyped, and the place of use picks among the types that can hold them.

use super::unquote::unquote_char_constant;

/// A number in every form that can represent it.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub pos: usize,
    pub text: String,
    pub int: Option<i64>,
    pub uint: Option<u64>,
    pub float: Option<f64>,
    pub complex: Option<(f64, f64)>,
}

impl Number {
    /// A character constant, quotes included.
    pub(crate) fn from_char(pos: usize, text: &str) -> Result<Number, String> {
        let code = unquote_char_constant(text)? as u32;
        Ok(Number {
            pos,
            text: text.to_owned(),
            int: Some(code.into()),
            uint: Some(code.into()),
            float: Some(code.into()),
            complex: None,
        })
    }

    /// A number token.
    pub(crate) fn parse(pos: usize, text: &str, complex: bool) -> Result<Number, String> {
        let mut number = Number { pos, text: text.to_owned(), int: None, uint: None, float: None, complex: None };
        let illegal = || format!("illegal number syntax: {}", model::float::go_quote(text));
        if complex {
            let split = text[1..].rfind(['+', '-']).map(|at| at + 1).ok_or_else(illegal)?;
            let real = parse_float(&text[..split]).ok_or_else(illegal)?;
            let imaginary = parse_float(&text[split..text.len() - 1]).ok_or_else(illegal)?;
            number.set_complex(real, imaginary);
            return Ok(number);
        }
        if let Some(imaginary) = text.strip_suffix('i').and_then(parse_float) {
            number.set_complex(0.0, imaginary);
            return Ok(number);
        }
        number.uint = parse_uint(text);
        number.int = parse_int(text);
        if number.int == Some(0) {
            number.uint = Some(0); // also for -0
        }
        if let Some(int) = number.int {
            number.float = Some(int as f64);
        } else if let Some(uint) = number.uint {
            number.float = Some(uint as f64);
        } else if let Some(float) = parse_float(text) {
            if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                return Err(format!("integer overflow: {}", model::float::go_quote(text)));
            }
            number.set_float(float);
        }
        if number.int.is_none() && number.uint.is_none() && number.float.is_none() {
            return Err(illegal());
        }
        Ok(number)
    }

    fn set_float(&mut self, float: f64) {
        self.float = Some(float);
        if float as i64 as f64 == float && float.abs() < 9.2e18 {
            self.int = Some(float as i64);
        }
        if (0.0..1.8e19).contains(&float) && float as u64 as f64 == float {
            self.uint = Some(float as u64);
        }
    }

    fn set_complex(&mut self, real: f64, imaginary: f64) {
        self.complex = Some((real, imaginary));
        if imaginary == 0.0 {
            self.set_float(real);
        }
    }

    /// Whether the spelling makes it a float where no type is asked for.
    pub(crate) fn looks_like_float(&self) -> bool {
        let hexadecimal_int = self.text.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x")
            && !self.text.contains(['p', 'P']);
        !hexadecimal_int && !self.text.starts_with('\'') && self.text.contains(['.', 'e', 'E', 'p', 'P'])
    }
}

/// Sign, base and digits without underscores, by Go's rules for base 0.
fn split_base(text: &str) -> Option<(bool, u32, String)> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (base, digits, prefixed) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..], true),
        Some("0o") => (8, &lower[2..], true),
        Some("0b") => (2, &lower[2..], true),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..], true),
        _ => (10, lower.as_str(), false),
    };
    // An underscore stands between digits, or between the base prefix and a digit.
    let mut previous_digit = prefixed;
    for c in digits.chars() {
        if c == '_' && !previous_digit {
            return None;
        }
        previous_digit = c != '_';
    }
    if !previous_digit || digits.is_empty() {
        return None;
    }
    Some((negative, base, digits.replace('_', "")))
}

fn parse_int(text: &str) -> Option<i64> {
    let (negative, base, digits) = split_base(text)?;
    let magnitude = i128::from_str_radix(&digits, base).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn parse_uint(text: &str) -> Option<u64> {
    if text.starts_with(['+', '-']) {
        return None;
    }
    let (_, base, digits) = split_base(text)?;
    u64::from_str_radix(&digits, base).ok()
}

/// Reads a float as `strconv.ParseFloat` does: decimal or hexadecimal, underscores between digits.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['+', '-']);
    if text.len() - unsigned.len() > 1 {
        return None;
    }
    if unsigned.len() > 2 && unsigned[..2].eq_ignore_ascii_case("0x") {
        let value = parse_hexadecimal(&unsigned[2..])?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    if unsigned.starts_with('_') || unsigned.ends_with('_') || unsigned.contains("__") {
        return None;
    }
    model::float::parse_go(&text.replace('_', "")).filter(|value| value.is_finite())
}

fn parse_hexadecimal(text: &str) -> Option<f64> {
    let text = text.replace('_', "").to_ascii_lowercase();
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent = exponent.clamp(-5000, 5000) - 4 * fraction.len().min(5000) as i32;
    // In two steps, so that a subnormal result does not pass through zero.
    let half = exponent / 2;
    Some(value * 2f64.powi(half) * 2f64.powi(exponent - half)).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants() {
        let int = |text: &str| Number::parse(0, text, false).unwrap().int;
        assert_eq!(int("0x1F"), Some(31));
        assert_eq!(int("-7"), Some(-7));
        assert_eq!(int("017"), Some(15));
        assert_eq!(int("1_000"), Some(1000));
        assert_eq!(int("0b101"), Some(5));
        assert_eq!(int("1e3"), Some(1000));
        let float = |text: &str| Number::parse(0, text, false).unwrap().float;
        assert_eq!(float("0x1p-2"), Some(0.25));
        assert_eq!(float("1_000.5"), Some(1000.5));
        assert_eq!(Number::parse(0, "1i", false).unwrap().complex, Some((0.0, 1.0)));
        assert_eq!(Number::parse(0, "1+2i", true).unwrap().complex, Some((1.0, 2.0)));
        assert_eq!(Number::from_char(0, "'x'").unwrap().int, Some(120));
        for bad in ["1__0", "_1", "1_", "08", "99999999999999999999", "1e999"] {
            assert!(Number::parse(0, bad, false).is_err(), "{bad}");
        }
    }
}
