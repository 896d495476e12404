//! Floats as Go's `strconv.FormatFloat` writes them: verbs `e E f g G b x X` with a precision, or the shortest text that
//! reads back where the precision is `None`.

/// The longest exact decimal expansion of a double has 1,074 digits after the point; whatever is asked beyond is zeros.
const MAX_DIGITS: usize = 1100;

/// Writes `v` as Go does. `verb` is one of `b'e' b'E' b'f' b'g' b'G' b'b' b'x' b'X'`.
pub fn format_float(v: f64, verb: u8, precision: Option<usize>) -> String {
    if v.is_nan() {
        return "NaN".into();
    }
    if v.is_infinite() {
        return if v > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    match verb {
        b'e' | b'E' => exponent_form(v, verb, precision),
        b'g' | b'G' => general_form(v, verb, precision),
        b'b' => binary_form(v),
        b'x' | b'X' => hexadecimal_form(v, verb, precision),
        _ => point_form(v, precision),
    }
}

fn point_form(v: f64, precision: Option<usize>) -> String {
    let Some(precision) = precision else { return format!("{v}") };
    let mut text = format!("{v:.*}", precision.min(MAX_DIGITS));
    pad_zeros(&mut text, precision.saturating_sub(MAX_DIGITS));
    text
}

fn exponent_form(v: f64, verb: u8, precision: Option<usize>) -> String {
    let text = match precision {
        None => format!("{v:e}"),
        Some(precision) => format!("{v:.*e}", precision.min(MAX_DIGITS)),
    };
    let (mantissa, exponent) = split_exponent(&text);
    let mut out = mantissa.to_owned();
    if let Some(precision) = precision {
        pad_zeros(&mut out, precision.saturating_sub(MAX_DIGITS));
    }
    push_exponent(&mut out, verb as char, exponent);
    out
}

fn general_form(v: f64, verb: u8, precision: Option<usize>) -> String {
    let text = match precision {
        None => format!("{v:e}"),
        Some(precision) => format!("{v:.*e}", precision.clamp(1, MAX_DIGITS) - 1),
    };
    let (mantissa, exponent) = split_exponent(&text);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let digits = digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    // An exponent is written below -4 and from the precision on; the shortest form decides as if that were 6.
    let point = if v == 0.0 { 1 } else { exponent + 1 };
    let threshold = match precision {
        None => 6,
        Some(asked) => {
            let asked = asked.clamp(1, MAX_DIGITS) as i32;
            if asked > digits.len() as i32 && digits.len() as i32 >= point { digits.len() as i32 } else { asked }
        }
    };
    let mut out = sign.to_owned();
    if point - 1 < -4 || point > threshold {
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        push_exponent(&mut out, if verb == b'G' { 'E' } else { 'e' }, point - 1);
    } else if point <= 0 {
        out.push_str("0.");
        pad_zeros(&mut out, (-point) as usize);
        out.push_str(digits);
    } else if digits.len() > point as usize {
        out.push_str(&digits[..point as usize]);
        out.push('.');
        out.push_str(&digits[point as usize..]);
    } else {
        out.push_str(digits);
        pad_zeros(&mut out, point as usize - digits.len());
    }
    out
}

fn binary_form(v: f64) -> String {
    let (negative, mantissa, exponent) = decompose(v);
    format!("{}{mantissa}p{:+}", if negative { "-" } else { "" }, exponent - 52)
}

fn hexadecimal_form(v: f64, verb: u8, precision: Option<usize>) -> String {
    let (negative, mut mantissa, mut exponent) = decompose(v);
    if mantissa == 0 {
        exponent = 0;
    }
    // One hexadecimal digit before the point, fifteen after it: the leading one stands at bit 60.
    mantissa <<= 60 - 52;
    while mantissa != 0 && mantissa & (1 << 60) == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if let Some(precision) = precision.filter(|p| *p < 15) {
        let shift = precision * 4;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut out = String::new();
    if negative {
        out.push('-');
    }
    out.push_str("0x");
    out.push(if mantissa >> 60 & 1 == 1 { '1' } else { '0' });
    let mut fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    match precision {
        None => fraction.truncate(fraction.trim_end_matches('0').len()),
        Some(precision) if precision < 15 => fraction.truncate(precision),
        Some(precision) => pad_zeros(&mut fraction, precision - 15),
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(&fraction);
    }
    push_exponent(&mut out, 'p', exponent);
    if verb == b'X' { out.to_uppercase() } else { out }
}

/// Sign, mantissa of 53 bits and the exponent of its leading bit.
fn decompose(v: f64) -> (bool, u64, i32) {
    let bits = v.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52 & 0x7ff) as i32 {
        0 => (v.is_sign_negative(), fraction, -1022),
        biased => (v.is_sign_negative(), fraction | 1 << 52, biased - 1023),
    }
}

fn split_exponent(text: &str) -> (&str, i32) {
    let (mantissa, exponent) = text.split_once('e').expect("`{:e}` always writes an exponent");
    (mantissa, exponent.parse().expect("`{:e}` writes a decimal exponent"))
}

fn push_exponent(out: &mut String, letter: char, exponent: i32) {
    out.push(letter);
    out.push(if exponent < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", exponent.abs()));
}

fn pad_zeros(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n('0', count));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go() {
        for (v, verb, precision, want) in [
            (0.8532, b'g', None, "0.8532"),
            (1234567.0, b'g', None, "1.234567e+06"),
            (123456.0, b'g', None, "123456"),
            (1e20, b'g', None, "1e+20"),
            (0.0001, b'g', None, "0.0001"),
            (0.00001, b'G', None, "1E-05"),
            (0.0, b'g', None, "0"),
            (-0.0, b'g', None, "-0"),
            (1234567.0, b'g', Some(3), "1.23e+06"),
            (100.0, b'g', Some(3), "100"),
            (100.0, b'g', Some(4), "100"),
            (0.5, b'g', Some(0), "0.5"),
            (2.5, b'f', Some(0), "2"),
            (1e21, b'f', Some(2), "1000000000000000000000.00"),
            (0.8532, b'e', Some(6), "8.532000e-01"),
            (0.8532, b'b', None, "7684942404145014p-53"),
            (1e21, b'x', None, "0x1.b1ae4d6e2ef5p+69"),
            (0.8532, b'x', None, "0x1.b4d6a161e4f76p-01"),
            (1.0, b'x', Some(2), "0x1.00p+00"),
            (1.9375, b'x', Some(1), "0x1.fp+00"),
            (1.999, b'X', Some(1), "0X1.0P+01"),
            (0.0, b'x', None, "0x0p+00"),
            (f64::INFINITY, b'g', None, "+Inf"),
        ] {
            assert_eq!(format_float(v, verb, precision), want, "{v} {} {precision:?}", verb as char);
        }
    }
}
