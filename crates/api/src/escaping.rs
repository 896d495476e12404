//! Names that are not of the classic alphabet, made fit for readers that know nothing newer (`prometheus/common`,
//! `model/metric.go`).

use std::borrow::Cow;
use std::fmt::Write;

use model::is_valid_legacy_metric_name;

/// How such names are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escaping {
    /// As they are, in quotes.
    AllowUtf8,
    /// Every foreign character as `_`.
    Underscores,
    /// Dots as `_dot_`, underscores doubled, others as `__`.
    Dots,
    /// `U__` in front, underscores doubled, others by their code in hexadecimal digits: can be undone.
    Values,
}

impl Escaping {
    /// Reads the parameter `escaping` of a media type.
    pub(crate) fn of(text: &str) -> Option<Escaping> {
        Some(match text {
            "allow-utf-8" => Escaping::AllowUtf8,
            "underscores" => Escaping::Underscores,
            "dots" => Escaping::Dots,
            "values" => Escaping::Values,
            _ => return None,
        })
    }

    /// The value of the parameter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Escaping::AllowUtf8 => "allow-utf-8",
            Escaping::Underscores => "underscores",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
        }
    }

    /// The name as this scheme writes it; classic names stay what they are.
    pub(crate) fn apply(self, name: &str) -> Cow<'_, str> {
        if self == Escaping::AllowUtf8 || name.is_empty() || is_valid_legacy_metric_name(name) {
            return Cow::Borrowed(name);
        }
        let mut out = String::with_capacity(name.len() + 16);
        if self == Escaping::Values {
            out.push_str("U__");
        }
        for (at, c) in name.char_indices() {
            let is_classic = c.is_ascii_alphabetic() || c == '_' || c == ':' || (c.is_ascii_digit() && at > 0);
            match (self, c) {
                (Escaping::Dots | Escaping::Values, '_') => out.push_str("__"),
                _ if is_classic => out.push(c),
                (Escaping::Dots, '.') => out.push_str("_dot_"),
                (Escaping::Dots, _) => out.push_str("__"),
                // Writing to a string cannot fail.
                (Escaping::Values, _) => write!(out, "_{:x}_", u32::from(c)).unwrap_or_default(),
                _ => out.push('_'),
            }
        }
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, underscores, dots, values) in [
            ("a_b:c", "a_b:c", "a_b:c", "a_b:c"),
            ("my.dot_ted", "my_dot_ted", "my_dot_dot__ted", "U__my_2e_dot__ted"),
            ("1é", "__", "____", "U___31__e9_"),
            ("", "", "", ""),
        ] {
            let all = [Escaping::AllowUtf8, Escaping::Underscores, Escaping::Dots, Escaping::Values];
            assert_eq!(all.map(|scheme| scheme.apply(name).into_owned()), [name, underscores, dots, values]);
            assert!(all.iter().all(|scheme| Escaping::of(scheme.as_str()) == Some(*scheme)));
        }
    }
}
