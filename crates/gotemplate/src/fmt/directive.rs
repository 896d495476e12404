//! The format string: from `%` over flags, argument index, width and precision to the verb.

use super::{Flags, Printer};
use crate::text::decode_char;
use crate::value::Value;

/// Go refuses widths and precisions beyond this.
const TOO_LARGE: i64 = 1_000_000;

struct Args<'a> {
    values: &'a [Value],
    next: usize,
    /// An explicit index was used, so arguments left over are no mistake.
    reordered: bool,
    /// The index in this directive is sound.
    good: bool,
}

pub(super) fn run(printer: &mut Printer, format: &[u8], values: &[Value]) {
    let mut args = Args { values, next: 0, reordered: false, good: true };
    let mut at = 0;
    while at < format.len() {
        let text = format[at..].iter().position(|b| *b == b'%').map_or(format.len(), |offset| at + offset);
        printer.push(&format[at..text]);
        at = text + 1;
        if text >= format.len() {
            break;
        }
        at = directive(printer, format, at, &mut args);
    }
    if !args.reordered && args.next < values.len() {
        printer.flags = Flags::default();
        printer.push(b"%!(EXTRA ");
        for (i, value) in values[args.next..].iter().enumerate() {
            if i > 0 {
                printer.push(b", ");
            }
            match value {
                Value::Nil => printer.push(b"<nil>"),
                value => {
                    printer.push(value.type_name().as_bytes());
                    printer.push(b"=");
                    printer.arg(value, 'v');
                }
            }
        }
        printer.push(b")");
    }
}

/// One directive, from after its `%`; returns where it ends.
fn directive(printer: &mut Printer, format: &[u8], mut at: usize, args: &mut Args<'_>) -> usize {
    printer.flags = Flags::default();
    args.good = true;
    let mut after_index = false;
    loop {
        let flags = &mut printer.flags;
        match format.get(at) {
            Some(b'#') => flags.sharp = true,
            Some(b'0') => flags.zero = true,
            Some(b'+') => flags.plus = true,
            Some(b'-') => flags.minus = true,
            Some(b' ') => flags.space = true,
            _ => break,
        }
        at += 1;
    }
    index(format, &mut at, args, &mut after_index);
    if format.get(at) == Some(&b'*') {
        at += 1;
        match star(args) {
            Some(width) => {
                printer.flags.minus |= width < 0;
                printer.flags.width = Some(width.unsigned_abs() as usize);
            }
            None => printer.push(b"%!(BADWIDTH)"),
        }
        after_index = false;
    } else if let Some(width) = number(format, &mut at) {
        if after_index {
            args.good = false; // "%[3]2d"
        }
        printer.flags.width = width;
    }
    if format.get(at) == Some(&b'.') {
        at += 1;
        if after_index {
            args.good = false; // "%[3].2d"
        }
        index(format, &mut at, args, &mut after_index);
        if format.get(at) == Some(&b'*') {
            at += 1;
            match star(args) {
                Some(precision @ 0..) => printer.flags.precision = Some(precision as usize),
                Some(_) | None => printer.push(b"%!(BADPREC)"),
            }
            after_index = false;
        } else {
            printer.flags.precision = number(format, &mut at).unwrap_or(Some(0));
        }
    }
    if !after_index {
        index(format, &mut at, args, &mut after_index);
    }
    if at >= format.len() {
        printer.push(b"%!(NOVERB)");
        return at;
    }
    let (c, width) = decode_char(&format[at..]);
    let verb = c.unwrap_or(char::REPLACEMENT_CHARACTER);
    let end = at + width;
    if printer.flags.minus {
        printer.flags.zero = false;
    }
    if verb == '%' {
        printer.push(b"%"); // no argument, no width
        return end;
    }
    if !args.good {
        complain(printer, verb, "(BADINDEX)");
    } else if args.next >= args.values.len() {
        complain(printer, verb, "(MISSING)");
    } else {
        let value = &args.values[args.next];
        args.next += 1;
        if verb == 'v' {
            let flags = &mut printer.flags;
            flags.sharp_v = std::mem::take(&mut flags.sharp);
            flags.plus_v = std::mem::take(&mut flags.plus);
        }
        printer.arg(value, verb);
    }
    end
}

fn complain(printer: &mut Printer, verb: char, what: &str) {
    printer.push(format!("%!{verb}{what}").as_bytes());
}

/// Digits. `Some(None)` for a number that is too large.
fn number(format: &[u8], at: &mut usize) -> Option<Option<usize>> {
    let start = *at;
    let mut value: i64 = 0;
    while let Some(digit) = format.get(*at).filter(|b| b.is_ascii_digit()) {
        if value > TOO_LARGE {
            // Go gives up on the whole rest of the format.
            *at = format.len();
            return Some(None);
        }
        value = value * 10 + i64::from(digit - b'0');
        *at += 1;
    }
    (*at > start).then_some(Some(value as usize))
}

/// Width or precision from an argument.
fn star(args: &mut Args<'_>) -> Option<i64> {
    let value = args.values.get(args.next)?;
    args.next += 1;
    let number = match value {
        Value::Int(v, crate::types::IntKind::Int) => *v,
        Value::Int(v, _) | Value::Duration(v) => *v,
        Value::Uint(v, _) => i64::try_from(*v).ok()?,
        _ => return None,
    };
    (-TOO_LARGE..=TOO_LARGE).contains(&number).then_some(number)
}

/// `[n]`: the argument that comes next.
fn index(format: &[u8], at: &mut usize, args: &mut Args<'_>, after_index: &mut bool) {
    if format.get(*at) != Some(&b'[') {
        *after_index = false;
        return;
    }
    args.reordered = true;
    let rest = &format[*at..];
    let Some(close) = rest.iter().position(|b| *b == b']') else {
        args.good = false;
        *at += 1;
        return;
    };
    let inner = &rest[1..close];
    *at += close + 1;
    let number: Option<usize> = std::str::from_utf8(inner)
        .ok()
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok());
    match number {
        Some(number) if number >= 1 && number <= args.values.len() => args.next = number - 1,
        _ => args.good = false,
    }
    *after_index = number.is_some();
}
