//! The format that a federating server gets (`prometheus/common`, `expfmt.Negotiate`).

use crate::escaping::Escaping;

/// A format and how it writes foreign names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) is_protobuf: bool,
    pub(super) escaping: Escaping,
}

impl Format {
    /// The `Content-Type` of the answer.
    pub(super) fn content_type(self) -> String {
        let media_type = match self.is_protobuf {
            true => "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            false => "text/plain; version=0.0.4; charset=utf-8",
        };
        format!("{media_type}; escaping={}", self.escaping.as_str())
    }
}

/// One alternative of an `Accept` header.
struct Alternative<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f64,
}

impl Alternative<'_> {
    fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }
}

/// Chooses by the header; text where it names nothing that there is. A wish for an escaping holds even where it stands at
/// an alternative that is passed over.
pub(super) fn negotiate(accept: &str) -> Format {
    let mut escaping = Escaping::Underscores;
    for alternative in alternatives(accept) {
        escaping = Escaping::of(alternative.parameter("escaping")).unwrap_or(escaping);
        let is_protobuf = alternative.media_type == "application/vnd.google.protobuf"
            && alternative.parameter("proto") == "io.prometheus.client.MetricFamily"
            && alternative.parameter("encoding") == "delimited";
        let is_text =
            alternative.media_type == "text/plain" && matches!(alternative.parameter("version"), "" | "0.0.4");
        if is_protobuf || is_text {
            return Format { is_protobuf, escaping };
        }
    }
    Format { is_protobuf: false, escaping }
}

/// The alternatives, best first; equally good ones as they stand.
fn alternatives(accept: &str) -> Vec<Alternative<'_>> {
    let mut found: Vec<Alternative<'_>> = accept.split(',').map(alternative).collect();
    found.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    found
}

fn alternative(text: &str) -> Alternative<'_> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or("");
    let parameters: Vec<(&str, &str)> =
        parts.filter_map(|p| p.split_once('=')).map(|(n, v)| (n.trim(), v.trim().trim_matches('"'))).collect();
    let quality = parameters.iter().find(|(n, _)| *n == "q").and_then(|(_, v)| v.parse().ok());
    Alternative { media_type, parameters, quality: quality.filter(|q: &f64| q.is_finite()).unwrap_or(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily";
        let of_prometheus = format!(
            "{PROTOBUF};encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
        for (accept, is_protobuf, escaping) in [
            ("", false, Escaping::Underscores),
            ("*/*", false, Escaping::Underscores),
            ("text/html", false, Escaping::Underscores),
            ("text/plain;version=0.0.4;escaping=allow-utf-8", false, Escaping::AllowUtf8),
            ("text/plain;version=1.0.0;escaping=dots;q=0.6,text/plain;version=0.0.4;q=0.5", false, Escaping::Dots),
            ("text/plain;escaping=nonsense", false, Escaping::Underscores),
            (&of_prometheus, true, Escaping::Underscores),
            (&of_prometheus.replace("delimited", "delimited;escaping=allow-utf-8"), true, Escaping::AllowUtf8),
            (&format!("text/plain, {PROTOBUF}; encoding=\"delimited\"; q=0.9"), false, Escaping::Underscores),
            (&format!("{PROTOBUF};encoding=compact-text"), false, Escaping::Underscores),
        ] {
            assert_eq!(negotiate(accept), Format { is_protobuf, escaping }, "{accept}");
        }
    }
}
