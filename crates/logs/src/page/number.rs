//! Numbers as they are written in lines, as whole numbers that give the same text back.

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
