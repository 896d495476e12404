//! Numbers as they are written in lines of logs, as whole numbers that give the same text back.

/// How a number is written in a text, so that a whole number tells the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberStyle {
    /// Without leading zeros.
    Plain,
    /// With leading zeros, as wide as this.
    Padded(u8),
    /// With so many digits behind the point.
    Fixed(u8),
    /// With at most so many digits behind the point, and no zeros at the end.
    Shortest(u8),
}

impl NumberStyle {
    /// How many of the digits stand behind the point, at most.
    pub fn scale(self) -> u8 {
        match self {
            NumberStyle::Plain | NumberStyle::Padded(_) => 0,
            NumberStyle::Fixed(scale) | NumberStyle::Shortest(scale) => scale,
        }
    }
}

/// Room for the text of a number, with bytes to spare behind it.
#[derive(Clone, Debug)]
pub struct NumberText(pub [u8; 80]);

impl Default for NumberText {
    fn default() -> Self {
        NumberText([0; 80])
    }
}

/// Writes a number, of the digits only what the style says; answers where it begins and how long it is.
pub fn number_text(style: NumberStyle, value: i64, digits: &mut NumberText) -> (usize, usize) {
    // A sign, 20 digits, a point and 18 digits at most are in front of the end.
    let digits = &mut digits.0;
    let mut end = 48;
    let mut at = end;
    let mut rest = value.unsigned_abs();
    if let NumberStyle::Fixed(scale) | NumberStyle::Shortest(scale) = style {
        for _ in 0..scale.min(18) {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if matches!(style, NumberStyle::Shortest(_)) {
            while end > at && digits[end - 1] == b'0' {
                end -= 1;
            }
        }
        if end > at {
            at -= 1;
            digits[at] = b'.';
        }
    }
    let whole_end = at;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let NumberStyle::Padded(width) = style {
        let width = (width as usize).saturating_sub(usize::from(value < 0)).min(20);
        while whole_end - at < width {
            at -= 1;
            digits[at] = b'0';
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    (at, end - at)
}
