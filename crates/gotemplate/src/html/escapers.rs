//! The functions that stand at the end of escaped pipelines, under the names that html/template gives them.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::attributes::{Content, attribute_content};
use super::context::{Context, Delim, Element, State};
use super::css::{FAILSAFE, escape_css, filter_css_value};
use super::transition::{ends_value, transition};
use super::{js, url};
use crate::fmt::Printer;
use crate::funcs::{Call, Function};
use crate::text::chars;
use crate::types::{SafeKind, Type};
use crate::value::Value;

type Escaper = fn(&Call, &[Value]) -> Result<Vec<u8>, String>;

static ESCAPERS: LazyLock<HashMap<&'static str, Function>> = LazyLock::new(|| {
    let all: [(&str, Escaper); 17] = [
        ("_html_template_attrescaper", |call, args| attribute(call, args)),
        ("_html_template_commentescaper", |_, _| Ok(Vec::new())),
        ("_html_template_cssescaper", |call, args| Ok(escape_css(&stringify(call, args)?.0))),
        ("_html_template_cssvaluefilter", |call, args| {
            let (text, content) = stringify(call, args)?;
            Ok(if content == Content::Css { text } else { filter_css_value(&text) })
        }),
        ("_html_template_htmlnamefilter", name_filter),
        ("_html_template_htmlescaper", |call, args| {
            let (text, content) = stringify(call, args)?;
            Ok(if content == Content::Html { text } else { replace(&text, Escape::Html) })
        }),
        ("_html_template_jsregexpescaper", |call, args| {
            let text = js::escape(&stringify(call, args)?.0, js::Table::Regexp);
            // An empty expression would be a comment.
            Ok(if text.is_empty() { b"(?:)".to_vec() } else { text })
        }),
        ("_html_template_jsstrescaper", |call, args| {
            let (text, content) = stringify(call, args)?;
            let table = if content == Content::JsStr { js::Table::EscapedString } else { js::Table::String };
            Ok(js::escape(&text, table))
        }),
        ("_html_template_jstmpllitescaper", |call, args| {
            Ok(js::escape(&stringify(call, args)?.0, js::Table::TemplateLiteral))
        }),
        ("_html_template_jsvalescaper", |call, args| js::value(args, call.budget())),
        ("_html_template_nospaceescaper", unquoted_attribute),
        ("_html_template_rcdataescaper", |call, args| {
            let (text, content) = stringify(call, args)?;
            Ok(replace(&text, if content == Content::Html { Escape::HtmlNorm } else { Escape::Html }))
        }),
        ("_html_template_srcsetescaper", |call, args| {
            let (text, content) = stringify(call, args)?;
            Ok(match content {
                Content::Srcset => text,
                Content::Url => replace_commas(&url::encode(&text, true)),
                _ => url::filter_srcset(&text),
            })
        }),
        ("_html_template_urlescaper", |call, args| {
            let (text, content) = stringify(call, args)?;
            Ok(url::encode(&text, content == Content::Url))
        }),
        ("_html_template_urlfilter", |call, args| {
            let (text, content) = stringify(call, args)?;
            Ok(if content == Content::Url || url::is_safe(&text) { text } else { format!("#{FAILSAFE}").into_bytes() })
        }),
        ("_html_template_urlnormalizer", |call, args| Ok(url::encode(&stringify(call, args)?.0, true))),
        ("_eval_args_", |call, args| print(args, call.budget())),
    ];
    all.into_iter()
        .map(|(name, escaper)| {
            (name, Function::variadic([], Type::Interface, move |call, args| escaper(call, args).map(Value::from)))
        })
        .collect()
});

/// The escaper of that name.
pub(crate) fn get(name: &str) -> Option<&'static Function> {
    ESCAPERS.get(name)
}

pub(super) fn print(args: &[Value], budget: usize) -> Result<Vec<u8>, String> {
    Printer::new(budget).print(args).map_err(|overflow| overflow.to_string())
}

/// The arguments as one text, and what kind of content it is known to be. Nil prints as nothing.
fn stringify(call: &Call, args: &[Value]) -> Result<(Vec<u8>, Content), String> {
    match args {
        [Value::Str(text)] => return Ok((text.to_vec(), Content::Plain)),
        [Value::Safe(kind, text)] => {
            let content = match kind {
                SafeKind::Html => Content::Html,
                SafeKind::HtmlAttr => Content::HtmlAttr,
                SafeKind::Js => Content::Js,
                SafeKind::JsStr => Content::JsStr,
                SafeKind::Css => Content::Css,
                SafeKind::Url => Content::Url,
                SafeKind::Srcset => Content::Srcset,
            };
            return Ok((text.to_vec(), content));
        }
        _ => {}
    }
    let shown: Vec<Value> = args.iter().filter(|arg| !matches!(arg, Value::Nil)).cloned().collect();
    Ok((print(&shown, call.budget())?, Content::Plain))
}

fn attribute(call: &Call, args: &[Value]) -> Result<Vec<u8>, String> {
    let (text, content) = stringify(call, args)?;
    Ok(match content {
        Content::Html => replace(&strip_tags(&text), Escape::HtmlNorm),
        _ => replace(&text, Escape::Html),
    })
}

fn unquoted_attribute(call: &Call, args: &[Value]) -> Result<Vec<u8>, String> {
    let (text, content) = stringify(call, args)?;
    if text.is_empty() {
        // Nothing at all would make the next attribute the value of this one.
        return Ok(FAILSAFE.into());
    }
    Ok(match content {
        Content::Html => replace(&strip_tags(&text), Escape::NoSpaceNorm),
        _ => replace(&text, Escape::NoSpace),
    })
}

fn name_filter(call: &Call, args: &[Value]) -> Result<Vec<u8>, String> {
    let (text, content) = stringify(call, args)?;
    if content == Content::HtmlAttr {
        return Ok(text);
    }
    let name = crate::text::lossy(&text).to_lowercase();
    let plain = !name.is_empty()
        && attribute_content(&name) == Content::Plain
        && name.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    Ok(if plain { name.into_bytes() } else { FAILSAFE.into() })
}

fn replace_commas(text: &[u8]) -> Vec<u8> {
    text.split(|b| *b == b',').collect::<Vec<_>>().join(&b"%2c"[..])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    Html,
    /// Entities are left as they are.
    HtmlNorm,
    NoSpace,
    NoSpaceNorm,
}

fn replace(text: &[u8], escape: Escape) -> Vec<u8> {
    let no_space = matches!(escape, Escape::NoSpace | Escape::NoSpaceNorm);
    let norm = matches!(escape, Escape::HtmlNorm | Escape::NoSpaceNorm);
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    for (at, c, width) in chars(text) {
        match c {
            Some('\0') if no_space => out.extend_from_slice(b"&#xfffd;"),
            Some('\0') => out.extend_from_slice("\u{fffd}".as_bytes()),
            Some('"') => out.extend_from_slice(b"&#34;"),
            Some('&') if !norm => out.extend_from_slice(b"&amp;"),
            Some('\'') => out.extend_from_slice(b"&#39;"),
            Some('+') => out.extend_from_slice(b"&#43;"),
            Some('<') => out.extend_from_slice(b"&lt;"),
            Some('>') => out.extend_from_slice(b"&gt;"),
            Some(c @ ('\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '=' | '`')) if no_space => {
                out.extend_from_slice(format!("&#{};", c as u32).as_bytes());
            }
            Some(c @ ('\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{ffff}')) if no_space => {
                out.extend_from_slice(format!("&#x{:x};", c as u32).as_bytes());
            }
            None if no_space => out.extend_from_slice(b"&#xfffd;"),
            _ => out.extend_from_slice(&text[at..at + width]),
        }
    }
    out
}

/// HTML without its tags and comments.
fn strip_tags(html: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(html.len());
    let mut c = Context::START;
    let (mut at, mut all_text) = (0, true);
    while at != html.len() {
        if c.delim == Delim::None {
            let mut from = c.clone();
            // Scripts and styles are skipped to their end tag, not parsed.
            if c.element != Element::None && !c.state.is_in_tag() {
                from.state = State::RCDATA;
            }
            let (next, read) = transition(from, &html[at..]);
            let end = at + read;
            if matches!(c.state, State::Text | State::RCDATA) {
                let mut text_end = end;
                if next.state != c.state
                    && let Some(tag) = html[at..end].iter().rposition(|b| *b == b'<')
                {
                    text_end = at + tag;
                }
                out.extend_from_slice(&html[at..text_end]);
            } else {
                all_text = false;
            }
            if read == 0 && next == c {
                break;
            }
            (c, at) = (next, end);
            continue;
        }
        let Some(offset) = html[at..].iter().position(|b| ends_value(c.delim, *b)) else { break };
        at += offset + usize::from(c.delim != Delim::SpaceOrTagEnd);
        c = Context { state: State::Tag, element: c.element, ..Context::START };
    }
    if all_text {
        return html.to_vec();
    }
    if matches!(c.state, State::Text | State::RCDATA) {
        out.extend_from_slice(&html[at..]);
    }
    out
}

/// Named entities of ASCII characters: of all entities only these can change what a piece of script, style or URL means.
const ENTITIES: [(&str, char); 40] = [
    ("quot", '"'),
    ("QUOT", '"'),
    ("amp", '&'),
    ("AMP", '&'),
    ("apos", '\''),
    ("lt", '<'),
    ("LT", '<'),
    ("gt", '>'),
    ("GT", '>'),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("excl", '!'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("midast", '*'),
    ("plus", '+'),
    ("comma", ','),
    ("period", '.'),
    ("sol", '/'),
    ("colon", ':'),
    ("semi", ';'),
    ("equals", '='),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("bsol", '\\'),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("Hat", '^'),
    ("lowbar", '_'),
    ("grave", '`'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("verbar", '|'),
    ("rcub", '}'),
];

/// Resolves numeric entities and the named ones of ASCII characters.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| *b == b'&') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        match entity(rest) {
            Some((c, width)) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[width..];
            }
            None => {
                out.push(b'&');
                rest = &rest[1..];
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

fn entity(text: &[u8]) -> Option<(char, usize)> {
    if text.get(1) == Some(&b'#') {
        let hexadecimal = matches!(text.get(2), Some(b'x' | b'X'));
        let (start, base) = if hexadecimal { (3, 16) } else { (2, 10) };
        let digits = text[start.min(text.len())..].iter().take_while(|b| (**b as char).is_digit(base)).count();
        if digits == 0 {
            return None;
        }
        let number = std::str::from_utf8(&text[start..start + digits]).ok()?;
        let code = u32::from_str_radix(number, base).unwrap_or(u32::MAX);
        let c = char::from_u32(code).filter(|c| *c != '\0').unwrap_or(char::REPLACEMENT_CHARACTER);
        let end = start + digits;
        return Some((c, end + usize::from(text.get(end) == Some(&b';'))));
    }
    let name = text[1..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    let name = std::str::from_utf8(&text[1..1 + name]).ok()?;
    let closed = text.get(1 + name.len()) == Some(&b';');
    // The oldest entities need no semicolon.
    let (known, c) = ENTITIES.iter().find(|(known, _)| {
        *known == name && closed
            || known.len() < 5
                && matches!(known.to_ascii_lowercase().as_str(), "lt" | "gt" | "amp" | "quot")
                && name.starts_with(known)
    })?;
    let closed = text.get(1 + known.len()) == Some(&b';');
    Some((*c, 1 + known.len() + usize::from(closed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities() {
        assert_eq!(unescape(b"a&quot;b&#39;&#x3c;&ltx&bogus;&&#;&lpar;"), b"a\"b'<<x&bogus;&&#;(");
    }

    #[test]
    fn tags_are_stripped() {
        assert_eq!(strip_tags(b"a<b title='1>2'>c</b> I <3 you<!-- no -->"), b"ac I <3 you");
        assert_eq!(strip_tags(b"a < b"), b"a < b");
    }
}
