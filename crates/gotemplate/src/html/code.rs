//! Transitions inside scripts and styles.

use super::context::{Context, JsCtx, State};
use super::css::{decode_css, ends_with_keyword};
use super::js::next_js_ctx;
use super::transition::{find, find_any, in_url, short, skip_space};
use crate::fmt::quote::quote;

pub(super) fn in_js(mut c: Context, text: &[u8]) -> (Context, usize) {
    let Some(at) = find_any(text, b"\"`'/{}<-#") else {
        c.js_ctx = next_js_ctx(text, c.js_ctx);
        return (c, text.len());
    };
    c.js_ctx = next_js_ctx(&text[..at], c.js_ctx);
    let next = text.get(at + 1).copied();
    let mut read = at + 1;
    match text[at] {
        b'"' => (c.state, c.js_ctx) = (State::JSDqStr, JsCtx::Regexp),
        b'\'' => (c.state, c.js_ctx) = (State::JSSqStr, JsCtx::Regexp),
        b'`' => (c.state, c.js_ctx) = (State::JSTmplLit, JsCtx::Regexp),
        b'/' => match (next, c.js_ctx) {
            (Some(b'/'), _) => (c.state, read) = (State::JSLineCmt, at + 2),
            (Some(b'*'), _) => (c.state, read) = (State::JSBlockCmt, at + 2),
            (_, JsCtx::Regexp) => c.state = State::JSRegexp,
            (_, JsCtx::DivOp) => c.js_ctx = JsCtx::Regexp,
            (_, JsCtx::Unknown) => {
                let message = format!("'/' could start a division or regexp: {}", quote(&short(&text[at..])));
                return (Context::failed(message), text.len());
            }
        },
        // JavaScript takes "<!--" and "-->" for comments to the end of the line.
        b'<' if text[at..].starts_with(b"<!--") => (c.state, read) = (State::JSHTMLOpenCmt, at + 4),
        b'-' if text[at..].starts_with(b"-->") => (c.state, read) = (State::JSHTMLCloseCmt, at + 3),
        b'#' if next == Some(b'!') => (c.state, read) = (State::JSLineCmt, at + 2),
        b'{' => {
            if let Some(depth) = c.js_braces.last_mut() {
                *depth += 1;
            }
        }
        b'}' => {
            if let Some(depth) = c.js_braces.last_mut() {
                *depth -= 1;
                if *depth < 0 {
                    c.js_braces.pop();
                    c.state = State::JSTmplLit;
                }
            }
        }
        _ => {}
    }
    (c, read)
}

fn unfinished(text: &[u8], what: &str) -> (Context, usize) {
    (Context::failed(format!("unfinished escape sequence in {what} string: {}", quote(text))), text.len())
}

pub(super) fn in_template_literal(mut c: Context, text: &[u8]) -> (Context, usize) {
    let mut from = 0;
    while let Some(offset) = find_any(&text[from..], b"`\\$") {
        let mut at = from + offset;
        match text[at] {
            b'\\' => {
                at += 1;
                if at == text.len() {
                    return unfinished(text, "JS");
                }
            }
            b'$' => {
                if text.get(at + 1) == Some(&b'{') {
                    c.js_braces.push(0);
                    c.state = State::JS;
                    return (c, at + 2);
                }
            }
            _ => {
                c.state = State::JS;
                return (c, at + 1);
            }
        }
        from = at + 1;
    }
    (c, text.len())
}

pub(super) fn in_js_delimited(mut c: Context, text: &[u8]) -> (Context, usize) {
    let specials: &[u8] = match c.state {
        State::JSSqStr => b"\\'",
        State::JSRegexp => b"\\/[]",
        _ => b"\\\"",
    };
    let (mut from, mut in_class) = (0, false);
    while let Some(offset) = find_any(&text[from..], specials) {
        let mut at = from + offset;
        match text[at] {
            b'\\' => {
                at += 1;
                if at == text.len() {
                    return unfinished(text, "JS");
                }
            }
            b'[' => in_class = true,
            b']' => in_class = false,
            // A "</script" in a regular expression does not end it; its "<" is escaped later.
            b'/' if at > 0 && text.len() >= at + 7 && text[at - 1..at + 7].eq_ignore_ascii_case(b"</script") => at += 1,
            _ if !in_class => {
                c.state = State::JS;
                c.js_ctx = JsCtx::DivOp;
                return (c, at + 1);
            }
            _ => {}
        }
        from = at + 1;
    }
    if in_class {
        return (Context::failed(format!("unfinished JS regexp charset: {}", quote(text))), text.len());
    }
    (c, text.len())
}

pub(super) fn in_block_comment(mut c: Context, text: &[u8]) -> (Context, usize) {
    match find(text, b"*/") {
        Some(at) => {
            c.state = if c.state == State::JSBlockCmt { State::JS } else { State::CSS };
            (c, at + 2)
        }
        None => (c, text.len()),
    }
}

pub(super) fn in_line_comment(mut c: Context, text: &[u8]) -> (Context, usize) {
    let css = c.state == State::CSSLineCmt;
    let end = if css {
        find_any(text, b"\n\x0c\r")
    } else {
        crate::text::chars(text)
            .find(|(_, c, _)| matches!(c, Some('\n' | '\r' | '\u{2028}' | '\u{2029}')))
            .map(|(at, _, _)| at)
    };
    match end {
        Some(at) => {
            c.state = if css { State::CSS } else { State::JS };
            (c, at) // the line end is not part of the comment
        }
        None => (c, text.len()),
    }
}

pub(super) fn in_css(mut c: Context, text: &[u8]) -> (Context, usize) {
    let mut from = 0;
    while let Some(offset) = find_any(&text[from..], b"(\"'/") {
        let at = from + offset;
        match text[at] {
            b'(' if ends_with_keyword(text[..at].trim_ascii_end(), b"url") => {
                let start = skip_space(text, at + 1);
                let (state, start) = match text.get(start) {
                    Some(b'"') => (State::CSSDqURL, start + 1),
                    Some(b'\'') => (State::CSSSqURL, start + 1),
                    _ => (State::CSSURL, start),
                };
                c.state = state;
                return (c, start);
            }
            b'/' if text.get(at + 1) == Some(&b'/') => {
                c.state = State::CSSLineCmt;
                return (c, at + 2);
            }
            b'/' if text.get(at + 1) == Some(&b'*') => {
                c.state = State::CSSBlockCmt;
                return (c, at + 2);
            }
            b'"' => {
                c.state = State::CSSDqStr;
                return (c, at + 1);
            }
            b'\'' => {
                c.state = State::CSSSqStr;
                return (c, at + 1);
            }
            _ => {}
        }
        from = at + 1;
    }
    (c, text.len())
}

pub(super) fn in_css_string(mut c: Context, text: &[u8]) -> (Context, usize) {
    let ends: &[u8] = match c.state {
        State::CSSDqStr | State::CSSDqURL => b"\\\"",
        State::CSSSqStr | State::CSSSqURL => b"\\'",
        _ => b"\\\t\n\x0c\r )",
    };
    let mut from = 0;
    loop {
        let Some(offset) = find_any(&text[from..], ends) else {
            let (next, _) = in_url(c, &decode_css(&text[from..]));
            return (next, text.len());
        };
        let mut at = from + offset;
        if text[at] != b'\\' {
            c.state = State::CSS;
            return (c, at + 1);
        }
        at += 1;
        if at == text.len() {
            return unfinished(text, "CSS");
        }
        c = in_url(c, &decode_css(&text[..=at])).0;
        from = at + 1;
    }
}
