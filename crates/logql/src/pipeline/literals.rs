//! Texts that whatever an expression matches must contain.

use regex_syntax::hir::{Class, Hir, HirKind};

/// More alternatives than this are no help.
const MOST: usize = 16;
/// Shorter texts are everywhere.
const SHORTEST: usize = 3;

/// Texts of which every match of the expression contains at least one; `None` where nothing is known.
pub(crate) fn required(pattern: &str) -> Option<Vec<Vec<u8>>> {
    of(&parse(pattern)?).filter(|texts| texts.iter().all(|text| text.len() >= SHORTEST))
}

fn parse(pattern: &str) -> Option<Hir> {
    let mut builder = regex_syntax::ParserBuilder::new();
    builder.utf8(false).nest_limit(100).build().parse(&model::pattern::from_go(pattern)).ok()
}

/// True where a match is never empty, has no line break in it, and does not depend on what is around it: then lines that stand one
/// behind the other have the matches that each has alone.
pub(crate) fn is_within_lines(pattern: &str) -> bool {
    parse(pattern).is_some_and(|hir| hir.properties().minimum_len().is_some_and(|least| least > 0) && is_local(&hir))
}

fn is_local(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty => true,
        HirKind::Look(_) => false,
        HirKind::Literal(literal) => !literal.0.contains(&b'\n'),
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().all(|range| !(range.start()..=range.end()).contains(&'\n'))
        }
        HirKind::Class(Class::Bytes(class)) => {
            class.iter().all(|range| !(range.start()..=range.end()).contains(&b'\n'))
        }
        HirKind::Repetition(repetition) => is_local(&repetition.sub),
        HirKind::Capture(capture) => is_local(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_local),
    }
}

fn of(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => of(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(of).max_by_key(|texts| quality(texts)),
        HirKind::Alternation(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(of(branch)?);
                if all.len() > MOST {
                    return None;
                }
            }
            Some(all)
        }
        _ => None,
    }
}

/// Long texts are better than short ones, and one better than several.
fn quality(texts: &[Vec<u8>]) -> usize {
    let shortest = texts.iter().map(Vec::len).min().unwrap_or(0);
    shortest * 100 / (texts.len() + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found() {
        let text = |texts: &[&str]| Some(texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(required(r"foo\d+barbaz"), text(&["barbaz"]));
        assert_eq!(required(r"(?:error|fatal): \w"), text(&["error", "fatal"]));
        assert_eq!(required(r"(ab|.)c"), None);
        assert_eq!(required(r"(?i)foo"), None);
        assert_eq!(required(r"x*yyyy?"), text(&["yyy"]));
    }

    #[test]
    fn what_may_reach_beyond_a_line_is_told() {
        for pattern in ["a", "[a-c]{2}9", "(x|yz)+", "a.c", "\\d+", "(?i)é", "a(b|)"] {
            assert!(is_within_lines(pattern), "{pattern}");
        }
        for pattern in ["", "a*", "^a", "a$", "\\bfoo", "[^a]", "a\\s", "(?s)a.b", "a\nb", "(a|b\\W)", "("] {
            assert!(!is_within_lines(pattern), "{pattern}");
        }
    }
}
