//! Texts that whatever an expression matches must contain.

use regex_syntax::hir::{Hir, HirKind};

/// More alternatives than this are no help.
const MOST: usize = 16;
/// Shorter texts are everywhere.
const SHORTEST: usize = 3;

/// Texts of which every match of the expression contains at least one; `None` where nothing is known.
pub(crate) fn required(pattern: &str) -> Option<Vec<Vec<u8>>> {
    let hir = regex_syntax::ParserBuilder::new()
        .utf8(false)
        .nest_limit(100)
        .build()
        .parse(&model::pattern::from_go(pattern))
        .ok()?;
    of(&hir).filter(|texts| texts.iter().all(|text| text.len() >= SHORTEST))
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
}
