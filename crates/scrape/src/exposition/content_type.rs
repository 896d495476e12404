//! From a `Content-Type` header to a format.

use thiserror::Error;

/// A family of exposition formats that one parser reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics text 0.0.1 and 1.0.0.
    OpenMetrics,
    /// Length-delimited `io.prometheus.client.MetricFamily`.
    Protobuf,
}

impl Format {
    /// The format of a media type without parameters.
    pub fn of_media_type(media_type: &str) -> Option<Format> {
        match media_type {
            "text/plain" => Some(Format::Text),
            "application/openmetrics-text" => Some(Format::OpenMetrics),
            "application/vnd.google.protobuf" => Some(Format::Protobuf),
            _ => None,
        }
    }
}

/// Why the header names no format. The texts are those of Prometheus.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ContentTypeError {
    /// No header, or an empty one.
    #[error(
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target"
    )]
    Blank,
    /// The header is not of the form `type/subtype; name=value`.
    #[error("cannot parse Content-Type {0:?} and no fallback_scrape_protocol for target")]
    Malformed(String),
    /// Another media type, such as `text/html`.
    #[error("received unsupported Content-Type {0:?} and no fallback_scrape_protocol specified for target")]
    Unsupported(String),
}

/// The format that the header names, or the fallback where it names none.
pub fn format_of_content_type(header: &str, fallback: Option<Format>) -> Result<Format, ContentTypeError> {
    let problem = match media_type(header) {
        _ if header.is_empty() => ContentTypeError::Blank,
        None => ContentTypeError::Malformed(header.to_owned()),
        Some(media_type) => match Format::of_media_type(&media_type) {
            Some(format) => return Ok(format),
            None => ContentTypeError::Unsupported(header.to_owned()),
        },
    };
    fallback.ok_or(problem)
}

/// `type/subtype` in lower case, where the header is well-formed: tokens, and parameters with a name and a value.
fn media_type(header: &str) -> Option<String> {
    let mut parts = split_outside_quotes(header);
    let media_type = parts.next()?.trim().to_ascii_lowercase();
    let (kind, subtype) = media_type.split_once('/').unwrap_or((&media_type, "x"));
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let mut parameters = parts.map(str::trim).peekable();
    while let Some(parameter) = parameters.next() {
        if parameter.is_empty() && parameters.peek().is_none() {
            break; // a trailing semicolon is let pass
        }
        let (name, value) = parameter.split_once('=')?;
        let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
        if !is_token(name.trim()) || !(quoted || is_token(value.trim())) {
            return None;
        }
    }
    Some(media_type)
}

fn split_outside_quotes(header: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    header.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => return true,
            _ => {}
        }
        false
    })
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_win_over_the_fallback() {
        for (header, format) in [
            ("text/plain", Format::Text),
            ("text/plain; version=0.0.4; charset=utf-8", Format::Text),
            ("Text/Plain;version=1.0.0;escaping=allow-utf-8", Format::Text),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
            ("application/openmetrics-text;", Format::OpenMetrics),
            ("application/vnd.google.protobuf; proto=\"io;x\"; encoding=delimited", Format::Protobuf),
        ] {
            assert_eq!(format_of_content_type(header, Some(Format::Text)), Ok(format), "{header}");
        }
    }

    #[test]
    fn other_types_need_a_fallback() {
        let cases = [
            ("", ContentTypeError::Blank),
            ("text/html", ContentTypeError::Unsupported("text/html".into())),
            ("counter", ContentTypeError::Unsupported("counter".into())),
            ("text/plain; charset", ContentTypeError::Malformed("text/plain; charset".into())),
            ("text plain", ContentTypeError::Malformed("text plain".into())),
        ];
        for (header, error) in cases {
            assert_eq!(format_of_content_type(header, None), Err(error), "{header}");
            assert_eq!(format_of_content_type(header, Some(Format::OpenMetrics)), Ok(Format::OpenMetrics));
        }
    }
}
