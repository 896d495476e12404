//! URLs: which schemes are let through, and percent-encoding.

use super::css::FAILSAFE;

/// A URL without a scheme, or with one that runs no script.
pub(super) fn is_safe(url: &[u8]) -> bool {
    let Some(colon) = url.iter().position(|b| *b == b':') else { return true };
    let scheme = &url[..colon];
    scheme.contains(&b'/') || [&b"http"[..], b"https", b"mailto"].iter().any(|safe| scheme.eq_ignore_ascii_case(safe))
}

/// Percent-encodes; where `normalize` is set, only what cannot stand in a URL at all.
pub(super) fn encode(url: &[u8], normalize: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(url.len() + 16);
    for (at, byte) in url.iter().enumerate() {
        let kept = match byte {
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' | b'[' | b']' => {
                normalize
            }
            b'-' | b'.' | b'_' | b'~' => true,
            b'%' => {
                let hex = |offset: usize| url.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
                normalize && hex(1) && hex(2)
            }
            byte => byte.is_ascii_alphanumeric(),
        };
        if kept {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02x}").as_bytes());
        }
    }
    out
}

/// Filters and encodes a `srcset`: URLs with sizes, separated by commas.
pub(super) fn filter_srcset(text: &[u8]) -> Vec<u8> {
    let parts: Vec<Vec<u8>> = text.split(|b| *b == b',').map(filter_source).collect();
    parts.join(&b","[..])
}

fn filter_source(source: &[u8]) -> Vec<u8> {
    let is_space = |b: &u8| b" \t\n\x0c\r".contains(b);
    let start = source.iter().position(|b| !is_space(b)).unwrap_or(source.len());
    let end = source[start..].iter().position(is_space).map_or(source.len(), |offset| start + offset);
    let url = &source[start..end];
    let plain_rest = source[end..].iter().all(|b| is_space(b) || b.is_ascii_alphanumeric());
    if is_safe(url) && plain_rest {
        return [&source[..start], &encode(url, true), &source[end..]].concat();
    }
    format!("#{FAILSAFE}").into_bytes()
}
