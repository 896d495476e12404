//! The crate's error: what Go would say, at the place where Go would say it.

use thiserror::Error;

/// Why a template cannot be parsed, escaped or executed. The text is Go's: place first, then the action, then the reason.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// The text is not a template.
    #[error("template: {template}:{line}: {message}")]
    Parse {
        /// The name the text was parsed under.
        template: String,
        /// Line, from 1.
        line: usize,
        /// The reason.
        message: String,
    },
    /// An action failed.
    #[error("template: {template}:{line}:{column}: executing {quoted_name} at <{context}>: {message}")]
    Execute {
        /// The name the text was parsed under.
        template: String,
        /// Line, from 1.
        line: usize,
        /// Bytes from the start of the line.
        column: usize,
        /// The executed template, quoted.
        quoted_name: String,
        /// The action or the part of it that failed.
        context: String,
        /// The reason.
        message: String,
        /// True where a limit of [`crate::Limits`] was met.
        limit: bool,
    },
    /// HTML mode: the template cannot be escaped safely.
    #[error("html/template{place}: {message}")]
    Escape {
        /// `:name:line:column`, as far as known.
        place: String,
        /// The reason.
        message: String,
    },
    /// No template of that name was ever parsed.
    #[error("template: no template {0:?} in this set")]
    NoSuchTemplate(String),
}

impl Error {
    /// True where one of [`crate::Limits`] stopped the execution.
    pub fn is_limit(&self) -> bool {
        matches!(self, Error::Execute { limit: true, .. })
    }
}
