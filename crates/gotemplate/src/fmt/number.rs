//! Integers, floats and characters under each verb.

use super::Printer;
use super::float::format_float;
use super::quote::{is_print, quote_char};

impl Printer {
    /// Integers: `unsigned` matters for `%#v` alone. `None` where the verb is not for integers.
    pub(super) fn integer(&mut self, value: i128, unsigned: bool, verb: char) -> Option<()> {
        match verb {
            'v' if self.flags.sharp_v && unsigned => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.digits(value, 16, verb, false);
                self.flags.sharp = sharp;
            }
            'v' | 'd' => self.digits(value, 10, verb, false),
            'b' => self.digits(value, 2, verb, false),
            'o' | 'O' => self.digits(value, 8, verb, false),
            'x' => self.digits(value, 16, verb, false),
            'X' => self.digits(value, 16, verb, true),
            'c' => {
                let c = to_char(value);
                self.pad(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            'q' => {
                let text = quote_char(to_char(value), self.flags.plus);
                self.pad(text.as_bytes());
            }
            'U' => self.unicode(value),
            _ => return None,
        }
        Some(())
    }

    fn digits(&mut self, value: i128, base: u32, verb: char, upper: bool) {
        let negative = value < 0;
        let mut digits = in_base(value.unsigned_abs(), base, upper);
        let mut least = 0;
        if let Some(precision) = self.flags.precision {
            least = precision;
            if least == 0 && value == 0 {
                // Nothing but padding.
                let zero = std::mem::take(&mut self.flags.zero);
                self.pad(b"");
                self.flags.zero = zero;
                return;
            }
        } else if self.flags.zero
            && !self.flags.minus
            && let Some(width) = self.flags.width
        {
            // Zeros come after the sign.
            least = width;
            if negative || self.flags.plus || self.flags.space {
                least = least.saturating_sub(1);
            }
        }
        if least > self.limit {
            self.overflow = true;
            return;
        }
        let mut text = String::new();
        if negative {
            text.push('-');
        } else if self.flags.plus {
            text.push('+');
        } else if self.flags.space {
            text.push(' ');
        }
        let missing = least.saturating_sub(digits.len());
        if self.flags.sharp {
            match base {
                2 => text.push_str("0b"),
                8 if missing == 0 && !digits.starts_with('0') => digits.insert(0, '0'),
                16 => text.push_str(if upper { "0X" } else { "0x" }),
                _ => {}
            }
        }
        if verb == 'O' {
            text.push_str("0o");
        }
        text.extend(std::iter::repeat_n('0', missing));
        text.push_str(&digits);
        // Zeros were already added where they belong.
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text.as_bytes());
        self.flags.zero = zero;
    }

    fn unicode(&mut self, value: i128) {
        let code = value as u64;
        let least = self.flags.precision.filter(|precision| *precision > 4).unwrap_or(4);
        if least > self.limit {
            self.overflow = true;
            return;
        }
        let mut text = format!("U+{code:0least$X}");
        if self.flags.sharp
            && let Some(c) = u32::try_from(code).ok().and_then(char::from_u32)
            && is_print(c)
        {
            text.push_str(&format!(" '{c}'"));
        }
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text.as_bytes());
        self.flags.zero = zero;
    }

    /// Floats. `None` where the verb is not for floats.
    pub(super) fn float(&mut self, value: f64, verb: char) -> Option<()> {
        let (form, default) = match verb {
            'v' => (b'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => (verb as u8, None),
            'e' | 'E' | 'f' => (verb as u8, Some(6)),
            'F' => (b'f', Some(6)),
            _ => return None,
        };
        let precision = self.flags.precision.or(default);
        if precision.is_some_and(|precision| precision > self.limit) {
            self.overflow = true;
            return Some(());
        }
        let mut text = format_float(value, form, precision);
        if !text.starts_with(['-', '+']) {
            text.insert(0, '+');
        }
        if self.flags.space && text.starts_with('+') && !self.flags.plus {
            text.replace_range(..1, " ");
        }
        if !value.is_finite() {
            if value.is_nan() && !self.flags.space && !self.flags.plus {
                text.remove(0);
            }
            let zero = std::mem::take(&mut self.flags.zero);
            self.pad(text.as_bytes());
            self.flags.zero = zero;
            return Some(());
        }
        if self.flags.sharp && verb != 'b' {
            text = with_point(&text, verb, precision);
        }
        if self.flags.plus || !text.starts_with('+') {
            let missing = self.flags.width.map_or(0, |width| width.saturating_sub(text.len()));
            if self.flags.zero && !self.flags.minus && missing > 0 {
                self.push(&text.as_bytes()[..1]);
                self.fill(b'0', missing);
                self.push(&text.as_bytes()[1..]);
                return Some(());
            }
            self.pad(text.as_bytes());
        } else {
            self.pad(&text.as_bytes()[1..]);
        }
        Some(())
    }

    /// Complex numbers print as `(re+imi)`. `None` where the verb is not for them.
    pub(super) fn complex(&mut self, re: f64, im: f64, verb: char) -> Option<()> {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return None;
        }
        self.push(b"(");
        self.float(re, verb);
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.float(im, verb);
        self.flags.plus = plus;
        self.push(b"i)");
        Some(())
    }
}

/// `#` on a float: always a point, and for `%g` all digits that the precision asks for.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let mut digits = match verb {
        'v' | 'g' | 'G' | 'x' => precision.map_or(6, |precision| precision as i64),
        _ => 0,
    };
    let hexadecimal = matches!(verb, 'x' | 'X');
    let tail_at = text[1..].find(|c| matches!(c, 'p' | 'P') || !hexadecimal && matches!(c, 'e' | 'E'));
    let (head, tail) = text.split_at(tail_at.map_or(text.len(), |at| at + 1));
    let mut point = false;
    let mut nonzero = false;
    for c in head[1..].chars() {
        if c == '.' {
            point = true;
            continue;
        }
        nonzero |= c != '0';
        if nonzero {
            digits -= 1;
        }
    }
    let mut out = head.to_owned();
    if !point {
        if &head[1..] == "0" {
            digits -= 1;
        }
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', digits.max(0) as usize));
    out.push_str(tail);
    out
}

fn to_char(value: i128) -> char {
    u32::try_from(value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn in_base(mut value: u128, base: u32, upper: bool) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = char::from_digit((value % u128::from(base)) as u32, base).expect("a remainder is below the base");
        digits.push(if upper { digit.to_ascii_uppercase() } else { digit });
        value /= u128::from(base);
        if value == 0 {
            return digits.iter().rev().collect();
        }
    }
}
