//! Numbers as they are written in lines, as whole numbers that give the same text back.

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Without leading zeros.
    Plain,
    /// With leading zeros, as wide as this.
    Padded(u8),
    /// With so many digits behind the point.
    Fixed(u8),
    /// With at most so many digits behind the point, and no zeros at the end.
    Shortest(u8),
}

/// A number of at most 18 digits: sign and digits without the point, and how many stand behind it.
pub(super) fn number(text: &[u8]) -> Option<(i64, usize)> {
    let (is_negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let (mut value, mut scale, mut count) = (0_i64, None, 0);
    for digit in digits {
        match digit {
            b'0'..=b'9' if count < 18 => {
                value = value * 10 + i64::from(digit - b'0');
                count += 1;
                scale = scale.map(|n: usize| n + 1);
            }
            b'.' if scale.is_none() && count > 0 => scale = Some(0),
            _ => return None,
        }
    }
    if scale == Some(0) {
        return None;
    }
    Some((if is_negative { -value } else { value }, scale.unwrap_or(0)))
}

/// Writes a number; of the digits only what the style says.
pub(super) fn write_number(style: Style, value: i64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 24];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let count = digits.len() - at;
    if value < 0 {
        out.push(b'-');
    }
    let (whole, scale) = match style {
        Style::Plain => (count.max(1), 0),
        Style::Padded(width) => ((width as usize).saturating_sub(usize::from(value < 0)).clamp(count.max(1), 20), 0),
        Style::Fixed(scale) | Style::Shortest(scale) => {
            let scale = scale.min(18) as usize;
            (count.max(scale + 1), scale)
        }
    };
    let all = &digits[digits.len() - whole..];
    out.extend_from_slice(&all[..whole - scale]);
    if scale > 0 {
        let mut fraction = &all[whole - scale..];
        if matches!(style, Style::Shortest(_)) {
            let zeros = fraction.iter().rev().take_while(|d| **d == b'0').count();
            fraction = &fraction[..fraction.len() - zeros];
        }
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    }
}
