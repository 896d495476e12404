//! Errors of buckets in words that say what to do, without what must not be shown.

use std::io;

use object_store::Error;

const MOST_CHARACTERS: usize = 400;

/// Turns a bucket's error into one of the kind that fits.
pub(super) fn explain(error: &Error) -> io::Error {
    let said = quoted(error).unwrap_or_else(|| error.to_string());
    let said = shown(&said);
    let is = |codes: &[&str]| codes.iter().any(|code| said.starts_with(code));
    // Some operations hide the status in a generic error; S3 answers 400 for a token that is too old.
    let text = error.to_string();
    let status = |code: &str| text.contains(&format!("status code: {code}"));
    let refused = matches!(error, Error::Unauthenticated { .. } | Error::PermissionDenied { .. });
    let refused = refused || status("401") || status("403") || is(&["ExpiredToken", "InvalidToken"]);
    if is(&["NoSuchBucket", "ContainerNotFound"]) {
        return io::Error::new(io::ErrorKind::NotADirectory, format!("there is no such bucket ({said})"));
    }
    if refused {
        let text = format!("the credentials were refused ({said}): check the environment's and the bucket's rights");
        return io::Error::new(io::ErrorKind::PermissionDenied, text);
    }
    match error {
        Error::NotFound { .. } => io::Error::new(io::ErrorKind::NotFound, "it is not there"),
        _ => io::Error::other(said),
    }
}

/// What the server said, wherever in the chain of causes it stands.
fn quoted(error: &Error) -> Option<String> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(text) = server_says(&error.to_string()) {
            return Some(text);
        }
        cause = error.source();
    }
    None
}

/// Code and message of an XML answer, which S3, GCS and Azure share.
fn server_says(text: &str) -> Option<String> {
    let code = between(text, "<Code>", "</Code>")?;
    let message = between(text, "<Message>", "</Message>").unwrap_or_default();
    // Azure repeats the request in the lines that follow.
    let message = message.lines().next().unwrap_or_default().trim();
    Some(if message.is_empty() { code.to_owned() } else { format!("{code}: {message}") })
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    Some(rest.split_once(close)?.0)
}

/// Cuts the queries of URLs, where signatures stand, and what is too long.
pub(super) fn shown(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.split_once("://") {
        Some((_, rest)) if rest.contains('?') => word.split('?').next().unwrap_or_default(),
        _ => word,
    });
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_CHARACTERS) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_not_shown() {
        let text = "Error performing GET https://a.b/c?sig=SECRET&x=1 in 1s - failed";
        assert_eq!(shown(text), "Error performing GET https://a.b/c in 1s - failed");
        assert!(shown(&"x ".repeat(1000)).len() < 410);
    }

    #[test]
    fn the_server_is_quoted() {
        let source = "<Error><Code>SignatureDoesNotMatch</Code><Message>no match\nline 2</Message></Error>".into();
        let error = explain(&Error::PermissionDenied { path: "a".into(), source });
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("(SignatureDoesNotMatch: no match)"), "{error}");
    }
}
