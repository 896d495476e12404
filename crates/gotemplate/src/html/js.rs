//! JavaScript: what a slash means, which MIME types are scripts, and escaping of values, strings and regular expressions.

use super::context::JsCtx;
use crate::text::chars;
use crate::types::SafeKind;
use crate::value::Value;

/// Whether a slash after these tokens starts a regular expression.
pub(super) fn next_js_ctx(text: &[u8], before: JsCtx) -> JsCtx {
    let text = trim_end(text);
    let Some(last) = text.last() else { return before };
    match last {
        b'+' | b'-' => {
            // "++" and "--" end an operand, "+" and "-" precede one.
            let run = text.iter().rev().take_while(|b| *b == last).count();
            if run % 2 == 1 { JsCtx::Regexp } else { JsCtx::DivOp }
        }
        b'.' if text.len() > 1 && text[text.len() - 2].is_ascii_digit() => JsCtx::DivOp, // "42."
        b'.' | b',' | b'<' | b'>' | b'=' | b'*' | b'%' | b'&' | b'|' | b'^' | b'?' | b'!' | b'~' | b'(' | b'['
        | b':' | b';' | b'{' | b'}' => JsCtx::Regexp,
        _ => {
            let word = text.iter().rev().take_while(|b| is_ident_part(**b)).count();
            match &text[text.len() - word..] {
                b"break" | b"case" | b"continue" | b"delete" | b"do" | b"else" | b"finally" | b"in" | b"instanceof"
                | b"return" | b"throw" | b"try" | b"typeof" | b"void" => JsCtx::Regexp,
                _ => JsCtx::DivOp,
            }
        }
    }
}

fn trim_end(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [rest @ .., b'\t' | b'\n' | 0xc | b'\r' | b' '] => rest,
            _ => match crate::text::chars(text).last() {
                Some((at, Some('\u{b}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}'), _)) => &text[..at],
                Some((at, Some('\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}'), _)) => {
                    &text[..at]
                }
                _ => return text,
            },
        };
    }
}

fn is_ident_part(byte: u8) -> bool {
    byte == b'$' || byte == b'_' || byte.is_ascii_alphanumeric()
}

/// Whether a script element of this type holds JavaScript.
pub(super) fn is_js_type(mime: &str) -> bool {
    let mime = mime.to_lowercase();
    let mime = mime.split(';').next().unwrap_or_default().trim();
    matches!(
        mime,
        "" | "application/ecmascript"
            | "application/javascript"
            | "application/json"
            | "application/ld+json"
            | "application/x-ecmascript"
            | "application/x-javascript"
            | "module"
            | "text/ecmascript"
            | "text/javascript"
            | "text/javascript1.0"
            | "text/javascript1.1"
            | "text/javascript1.2"
            | "text/javascript1.3"
            | "text/javascript1.4"
            | "text/javascript1.5"
            | "text/jscript"
            | "text/livescript"
            | "text/x-ecmascript"
            | "text/x-javascript"
    )
}

/// A value as a JavaScript expression.
pub(super) fn value(args: &[Value], budget: usize) -> Result<Vec<u8>, String> {
    let json = match args {
        [Value::Safe(SafeKind::Js, text)] => return Ok(text.to_vec()),
        [Value::Safe(SafeKind::JsStr, text)] => return Ok([b"\"", &**text, b"\""].concat()),
        [one] => {
            // What prints in its own way is a string, but a time knows its own JSON.
            let shown = match one {
                Value::Time(_) => one.clone(),
                one => crate::fmt::stringer(one).map_or_else(|| one.clone(), Value::from),
            };
            crate::json::marshal(&shown, budget)
        }
        many => {
            let shown = super::escapers::print(many, budget)?;
            crate::json::marshal(&Value::Str(shown.into()), budget)
        }
    };
    let json = match json {
        Ok(json) => json,
        Err(error) => {
            let error = error.replace("*/", "* /").replace("</script", "\\x3C/script").replace("<!--", "\\x3C!--");
            return Ok(format!(" /* {error} */null ").into_bytes());
        }
    };
    // Names and numbers must not run into a keyword beside them.
    let bytes = json.as_bytes();
    let pad = bytes.first().is_some_and(|b| is_ident_part(*b)) || bytes.last().is_some_and(|b| is_ident_part(*b));
    Ok(if pad { format!(" {json} ").into_bytes() } else { json.into_bytes() })
}

/// Which characters are replaced: of strings, of strings that are escaped already, of template literals, of regular
/// expressions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    String,
    EscapedString,
    TemplateLiteral,
    Regexp,
}

/// Escapes text for a place inside a JavaScript literal.
pub(super) fn escape(text: &[u8], table: Table) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    for (at, c, width) in chars(text) {
        let replacement = match c {
            Some('\t') => "\\t".to_owned(),
            Some('\n') => "\\n".to_owned(),
            Some('\u{c}') => "\\f".to_owned(),
            Some('\r') => "\\r".to_owned(),
            Some('/') => "\\/".to_owned(),
            Some('\\') if table != Table::EscapedString => "\\\\".to_owned(),
            Some(c @ ('\0' | '\u{b}' | '"' | '&' | '\'' | '+' | '<' | '>')) => format!("\\u{:04x}", c as u32),
            Some('`') if table != Table::Regexp => "\\u0060".to_owned(),
            Some(c @ ('$' | '{' | '}')) if table == Table::TemplateLiteral => format!("\\u{:04x}", c as u32),
            Some(c @ ('$' | '(' | ')' | '*' | '-' | '.' | '?' | '[' | ']' | '^' | '{' | '|' | '}'))
                if table == Table::Regexp =>
            {
                format!("\\{c}")
            }
            Some(c @ ('\u{2028}' | '\u{2029}')) => format!("\\u{:04x}", c as u32),
            _ => {
                out.extend_from_slice(&text[at..at + width]);
                continue;
            }
        };
        out.extend_from_slice(replacement.as_bytes());
    }
    out
}
