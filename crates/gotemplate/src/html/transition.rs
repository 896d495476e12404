//! From one context to the next: what a piece of template text does to the state of the HTML parser.

use super::attributes::{Content, attribute_content};
use super::code::{
    in_block_comment, in_css, in_css_string, in_js, in_js_delimited, in_line_comment, in_template_literal,
};
use super::context::{Attr, Context, Delim, Element, State, UrlPart};
use super::js::is_js_type;
use crate::fmt::quote::quote;

/// The context after the first token of `text`, and how many bytes that token has.
pub(super) fn transition(c: Context, text: &[u8]) -> (Context, usize) {
    match c.state {
        State::Text => after_text(c, text),
        State::Tag => in_tag(c, text),
        State::AttrName => in_attr_name(c, text),
        State::AfterName => after_name(c, text),
        State::BeforeValue => before_value(c, text),
        State::HTMLCmt => match find(text, b"-->") {
            Some(at) => (Context::START, at + 3),
            None => (c, text.len()),
        },
        State::RCDATA => special_tag_end(c, text),
        State::Attr | State::Error | State::Dead => (c, text.len()),
        State::URL | State::Srcset => in_url(c, text),
        State::MetaContent => in_meta_content(c, text),
        State::MetaContentURL => in_meta_url(c, text),
        State::JS => in_js(c, text),
        State::JSDqStr | State::JSSqStr | State::JSRegexp => in_js_delimited(c, text),
        State::JSTmplLit => in_template_literal(c, text),
        State::JSBlockCmt | State::CSSBlockCmt => in_block_comment(c, text),
        State::JSLineCmt | State::JSHTMLOpenCmt | State::JSHTMLCloseCmt | State::CSSLineCmt => in_line_comment(c, text),
        State::CSS => in_css(c, text),
        State::CSSDqStr | State::CSSSqStr | State::CSSDqURL | State::CSSSqURL | State::CSSURL => in_css_string(c, text),
    }
}

/// The context after the first token of `text` where attributes end with their delimiter and special elements with their
/// end tag.
pub(super) fn context_after_text(c: Context, text: &[u8]) -> (Context, usize) {
    if c.delim == Delim::None {
        let (after, end) = special_tag_end(c.clone(), text);
        if end == 0 {
            return (after, 0);
        }
        return transition(c, &text[..end]);
    }
    let end = text.iter().position(|b| ends_value(c.delim, *b)).unwrap_or(text.len());
    if c.delim == Delim::SpaceOrTagEnd
        && let Some(bad) = text[..end].iter().position(|b| b"\"'<=`".contains(b))
    {
        let message = format!("{} in unquoted attr: {}", quote(&text[bad..=bad]), quote(&text[..end]));
        return (Context::failed(message), text.len());
    }
    if end == text.len() {
        // Still inside: entities are decoded, so that the rules of other languages need not know HTML's.
        let decoded = super::escapers::unescape(text);
        let mut rest = decoded.as_slice();
        let mut c = c;
        while !rest.is_empty() {
            let (next, read) = transition(c, rest);
            c = next;
            rest = &rest[read..];
        }
        return (c, text.len());
    }
    let mut element = c.element;
    if c.state == State::Attr
        && c.element == Element::Script
        && c.attr == Attr::ScriptType
        && !is_js_type(&crate::text::lossy(&text[..end]))
    {
        element = Element::None;
    }
    let quote_width = usize::from(c.delim != Delim::SpaceOrTagEnd);
    (Context { state: State::Tag, element, ..Context::START }, end + quote_width)
}

pub(super) fn ends_value(delim: Delim, byte: u8) -> bool {
    match delim {
        Delim::None => false,
        Delim::DoubleQuote => byte == b'"',
        Delim::SingleQuote => byte == b'\'',
        Delim::SpaceOrTagEnd => b" \t\n\x0c\r>".contains(&byte),
    }
}

pub(super) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

pub(super) fn find_any(text: &[u8], bytes: &[u8]) -> Option<usize> {
    text.iter().position(|b| bytes.contains(b))
}

pub(super) fn skip_space(text: &[u8], from: usize) -> usize {
    from + text[from..].iter().take_while(|b| b" \t\n\x0c\r".contains(b)).count()
}

fn after_text(c: Context, text: &[u8]) -> (Context, usize) {
    let mut from = 0;
    loop {
        let Some(offset) = text[from..].iter().position(|b| *b == b'<') else { return (c, text.len()) };
        let mut at = from + offset;
        if at + 1 == text.len() {
            return (c, text.len());
        }
        if text[at..].starts_with(b"<!--") {
            return (Context::in_state(State::HTMLCmt), at + 4);
        }
        at += 1;
        let mut end_tag = false;
        if text[at] == b'/' {
            if at + 1 == text.len() {
                return (c, text.len());
            }
            end_tag = true;
            at += 1;
        }
        let (end, element) = tag_name(text, at);
        if end != at {
            let element = if end_tag { Element::None } else { element };
            return (Context { state: State::Tag, element, ..Context::START }, end);
        }
        from = end;
    }
}

/// Where a tag name that starts here ends, and which special element it names.
fn tag_name(text: &[u8], from: usize) -> (usize, Element) {
    if from == text.len() || !text[from].is_ascii_alphabetic() {
        return (from, Element::None);
    }
    let mut at = from + 1;
    while at < text.len() {
        let byte = text[at];
        if byte.is_ascii_alphanumeric() {
            at += 1;
        } else if (byte == b':' || byte == b'-') && text.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) {
            at += 2; // "x:y" and "x-y", but not "x-" or "x:"
        } else {
            break;
        }
    }
    let element = match text[from..at].to_ascii_lowercase().as_slice() {
        b"script" => Element::Script,
        b"style" => Element::Style,
        b"textarea" => Element::Textarea,
        b"title" => Element::Title,
        b"meta" => Element::Meta,
        _ => Element::None,
    };
    (at, element)
}

fn in_tag(c: Context, text: &[u8]) -> (Context, usize) {
    let at = skip_space(text, 0);
    if at == text.len() {
        return (c, text.len());
    }
    if text[at] == b'>' {
        let state = match c.element {
            Element::None | Element::Meta => State::Text,
            Element::Script => State::JS,
            Element::Style => State::CSS,
            Element::Textarea | Element::Title => State::RCDATA,
        };
        let element = if c.element == Element::Meta { Element::None } else { c.element };
        return (Context { state, element, ..Context::START }, at + 1);
    }
    let end = match attr_name_end(text, at) {
        Ok(end) => end,
        Err(message) => return (Context::failed(message), text.len()),
    };
    if end == at {
        let message = format!("expected space, attr name, or end of tag, but got {}", quote(&text[at..]));
        return (Context::failed(message), text.len());
    }
    let name = crate::text::lossy(&text[at..end]).to_lowercase();
    let attr = match attribute_content(&name) {
        _ if c.element == Element::Script && name == "type" => Attr::ScriptType,
        _ if c.element == Element::Meta && name == "content" => Attr::MetaContent,
        Content::Url => Attr::URL,
        Content::Css => Attr::Style,
        Content::Js => Attr::Script,
        Content::Srcset => Attr::Srcset,
        _ => Attr::None,
    };
    let state = if end == text.len() { State::AttrName } else { State::AfterName };
    (Context { state, element: c.element, attr, ..Context::START }, end)
}

/// Where an attribute name that starts here ends.
fn attr_name_end(text: &[u8], from: usize) -> Result<usize, String> {
    for at in from..text.len() {
        match text[at] {
            b' ' | b'\t' | b'\n' | 0xc | b'\r' | b'=' | b'>' => return Ok(at),
            b'\'' | b'"' | b'<' => {
                let shown: Vec<u8> = short(text);
                return Err(format!("{} in attribute name: {}", quote(&text[at..=at]), quote(&shown)));
            }
            _ => {}
        }
    }
    Ok(text.len())
}

/// The first 32 characters.
pub(super) fn short(text: &[u8]) -> Vec<u8> {
    crate::text::chars(text).nth(32).map_or(text, |(at, _, _)| &text[..at]).to_vec()
}

fn in_attr_name(mut c: Context, text: &[u8]) -> (Context, usize) {
    match attr_name_end(text, 0) {
        Ok(end) => {
            if end != text.len() {
                c.state = State::AfterName;
            }
            (c, end)
        }
        Err(message) => (Context::failed(message), text.len()),
    }
}

fn after_name(mut c: Context, text: &[u8]) -> (Context, usize) {
    let at = skip_space(text, 0);
    if at == text.len() {
        return (c, text.len());
    }
    if text[at] != b'=' {
        // An attribute without a value, or the end of the tag.
        c.state = State::Tag;
        return (c, at);
    }
    c.state = State::BeforeValue;
    (c, at + 1)
}

/// The state in which the value of an attribute starts.
pub(super) fn value_state(attr: Attr) -> State {
    match attr {
        Attr::None | Attr::ScriptType => State::Attr,
        Attr::Script => State::JS,
        Attr::Style => State::CSS,
        Attr::URL => State::URL,
        Attr::Srcset => State::Srcset,
        Attr::MetaContent => State::MetaContent,
    }
}

fn before_value(mut c: Context, text: &[u8]) -> (Context, usize) {
    let at = skip_space(text, 0);
    if at == text.len() {
        return (c, text.len());
    }
    let (delim, at) = match text[at] {
        b'\'' => (Delim::SingleQuote, at + 1),
        b'"' => (Delim::DoubleQuote, at + 1),
        _ => (Delim::SpaceOrTagEnd, at),
    };
    c.state = value_state(c.attr);
    c.delim = delim;
    (c, at)
}

/// The end tag of the special element around, if `text` has it; otherwise all of it belongs to the element.
fn special_tag_end(c: Context, text: &[u8]) -> (Context, usize) {
    let name: &[u8] = match c.element {
        Element::Script if c.state.is_in_script_literal() || c.state.is_comment() => return (c, text.len()),
        Element::Script => b"script",
        Element::Style => b"style",
        Element::Textarea => b"textarea",
        Element::Title => b"title",
        Element::None | Element::Meta => return (c, text.len()),
    };
    let mut from = 0;
    while let Some(offset) = find(&text[from..], b"</") {
        let start = from + offset;
        let after = &text[start + 2..];
        from = start + 2;
        if after.len() >= name.len() && after[..name.len()].eq_ignore_ascii_case(name) {
            if after.get(name.len()).is_some_and(|b| b"> \t\n\x0c/".contains(b)) {
                return (Context::START, start);
            }
            from += name.len();
        }
    }
    (c, text.len())
}

pub(super) fn in_url(mut c: Context, text: &[u8]) -> (Context, usize) {
    if text.iter().any(|b| matches!(b, b'#' | b'?')) {
        c.url_part = UrlPart::QueryOrFrag;
    } else if text.len() != skip_space(text, 0) && c.url_part == UrlPart::None {
        c.url_part = UrlPart::PreQuery;
    }
    (c, text.len())
}

fn in_meta_content(mut c: Context, text: &[u8]) -> (Context, usize) {
    for (at, window) in text.windows(3).enumerate() {
        let equals = skip_space(text, at + 3);
        if window.eq_ignore_ascii_case(b"url") && text.get(equals) == Some(&b'=') {
            c.state = State::MetaContentURL;
            return (c, equals + 1);
        }
    }
    (c, text.len())
}

fn in_meta_url(mut c: Context, text: &[u8]) -> (Context, usize) {
    match text.iter().position(|b| *b == b';') {
        Some(at) => {
            c.state = State::MetaContent;
            (c, at + 1)
        }
        None => (c, text.len()),
    }
}
