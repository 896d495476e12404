//! Regular expressions of queries, and what Loki makes of them before it runs them.
//!
//! Loki takes expressions such as `foo|bar.*` apart into plain searches, with consequences that can be seen: a label filter
//! `a=~"b.*"` finds `b` anywhere, and an alternative that matches everything is forgotten beside others. [`simplify`] does
//! the same, on the tree that Go's parser would build, so that answers and printed queries agree.

use model::pattern::from_go;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast};

/// Bytes that a compiled expression may take.
const SIZE_LIMIT: usize = 4 << 20;

/// What an expression comes down to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Simple {
    /// Everything matches.
    All,
    /// Whatever is not empty matches.
    NotEmpty,
    /// The whole text; the flag says that case does not matter.
    Equal(String, bool),
    /// A part of the text.
    Contains(String, bool),
    /// One of them.
    Any(Vec<Simple>),
}

fn build(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).build().map_err(|error| {
        let text = error.to_string();
        format!("error parsing regexp: {}", text.lines().last().unwrap_or(&text).trim_start_matches("error: "))
    })
}

/// An expression that is searched for.
pub(crate) fn search(pattern: &str) -> Result<Regex, String> {
    build(&from_go(pattern))
}

/// An expression that must match as a whole.
pub(crate) fn anchored(pattern: &str) -> Result<Regex, String> {
    build(&format!("^(?:{})$", from_go(pattern)))
}

/// An expression with names, for `| regexp`. The error is Loki's.
pub(crate) fn named(pattern: &str) -> Result<Regex, String> {
    let duplicate = duplicate_name(pattern);
    if let Some(name) = duplicate {
        return Err(format!("duplicate extracted label name '{name}'"));
    }
    let regex = search(pattern)?;
    match regex.capture_names().flatten().next() {
        Some(_) => Ok(regex),
        None => Err("at least one named capture must be supplied".to_owned()),
    }
}

fn duplicate_name(pattern: &str) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for after in pattern.split("(?P<").skip(1).chain(pattern.split("(?<").skip(1)) {
        let name = after.split('>').next()?;
        if names.contains(&name) {
            return Some(name.to_owned());
        }
        names.push(name);
    }
    None
}

/// A replacement as Go's `Expand` reads it: `$1x` is the group `1x`, as Rust has it too, and `$` before anything else is itself.
pub(crate) fn template(replacement: &str) -> String {
    let mut out = String::with_capacity(replacement.len());
    let mut rest = replacement;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let is_group = after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '{' | '$'));
        out.push_str(if is_group { "$" } else { "$$" });
        let double = after.starts_with('$');
        out.push_str(if double { "$" } else { "" });
        rest = if double { &after[1..] } else { after };
    }
    out.push_str(rest);
    out
}

/// The text for a search without regard to case.
pub(crate) fn fold_search(text: &str, whole: bool) -> Result<Regex, String> {
    let escaped = regex::escape(text);
    build(&if whole { format!("(?i)^(?:{escaped})$") } else { format!("(?i){escaped}") })
}

/// Go's tree of an expression, as far as simplification looks at it.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Empty,
    /// Text, whether case does not matter, and whether a group keeps it from joining its neighbours.
    Literal(Vec<char>, bool, bool),
    AnyStar,
    AnyPlus,
    Concat(Vec<Tree>),
    Alternate(Vec<Tree>),
    Other,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    dot_all: bool,
}

/// What the expression comes down to, if Loki would take it apart; `whole` for label filters.
pub(crate) fn simplify(pattern: &str, whole: bool) -> Option<Simple> {
    let ast = ast::parse::ParserBuilder::new().nest_limit(100).build().parse(&from_go(pattern)).ok()?;
    simple(&tree(&ast, &mut Flags::default()), whole)
}

fn tree(ast: &Ast, flags: &mut Flags) -> Tree {
    match ast {
        Ast::Empty(_) => Tree::Empty,
        Ast::Flags(set) => {
            apply(&set.flags, flags);
            Tree::Empty
        }
        Ast::Literal(literal) => {
            let has_case = literal.c.to_lowercase().ne(literal.c.to_uppercase());
            Tree::Literal(vec![literal.c], flags.fold && has_case, false)
        }
        Ast::Repetition(repetition) => {
            let is_dot = matches!(*repetition.ast, Ast::Dot(_)) && !flags.dot_all;
            match &repetition.op.kind {
                ast::RepetitionKind::ZeroOrMore if is_dot => Tree::AnyStar,
                ast::RepetitionKind::OneOrMore if is_dot => Tree::AnyPlus,
                _ => Tree::Other,
            }
        }
        Ast::Group(group) => {
            let mut inner = *flags;
            if let ast::GroupKind::NonCapturing(set) = &group.kind {
                apply(set, &mut inner);
            }
            let inner = tree(&group.ast, &mut inner);
            match (inner, group.is_capturing()) {
                (Tree::Literal(text, fold, _), true) => Tree::Literal(text, fold, true),
                // A capture keeps its parts together: they are a step of their own, which nothing takes apart further.
                (Tree::Concat(_), true) => Tree::Other,
                (inner, _) => inner,
            }
        }
        Ast::Alternation(alternation) => {
            let mut branches = Vec::new();
            for branch in &alternation.asts {
                match tree(branch, flags) {
                    Tree::Alternate(inner) => branches.extend(inner),
                    other => branches.push(other),
                }
            }
            factor(branches)
        }
        Ast::Concat(concat) => {
            let mut parts = Vec::new();
            for part in &concat.asts {
                match tree(part, flags) {
                    Tree::Concat(inner) => inner.into_iter().for_each(|part| push(&mut parts, part)),
                    // A flag that is set is no part.
                    Tree::Empty if matches!(part, Ast::Flags(_)) => {}
                    part => push(&mut parts, part),
                }
            }
            match parts.len() {
                0 => Tree::Empty,
                1 => parts.remove(0),
                _ => Tree::Concat(parts),
            }
        }
        _ => Tree::Other,
    }
}

fn apply(set: &ast::Flags, flags: &mut Flags) {
    if let Some(on) = set.flag_state(ast::Flag::CaseInsensitive) {
        flags.fold = on;
    }
    if let Some(on) = set.flag_state(ast::Flag::DotMatchesNewLine) {
        flags.dot_all = on;
    }
}

/// Adds a part; letters join the text before them.
fn push(parts: &mut Vec<Tree>, part: Tree) {
    match (parts.last_mut(), part) {
        (Some(Tree::Literal(before, fold, false)), Tree::Literal(text, same, false)) if *fold == same => {
            before.extend(text)
        }
        (_, part) => parts.push(part),
    }
}

fn leading(tree: &Tree) -> Option<(&[char], bool)> {
    match tree {
        Tree::Literal(text, fold, false) => Some((text, *fold)),
        Tree::Concat(parts) => parts.first().and_then(leading),
        _ => None,
    }
}

fn without_leading(tree: Tree, count: usize) -> Tree {
    match tree {
        Tree::Literal(text, ..) if text.len() == count => Tree::Empty,
        Tree::Literal(text, fold, sealed) => Tree::Literal(text[count..].to_vec(), fold, sealed),
        Tree::Concat(mut parts) => {
            let first = without_leading(parts.remove(0), count);
            if first != Tree::Empty {
                parts.insert(0, first);
            }
            if parts.len() == 1 { parts.remove(0) } else { Tree::Concat(parts) }
        }
        other => other,
    }
}

/// Joins the branches of an alternation as Go's parser does: neighbours with a common start share it, and single
/// characters become a class.
fn factor(branches: Vec<Tree>) -> Tree {
    let mut shared: Vec<Tree> = Vec::new();
    let mut rest = branches.into_iter().peekable();
    while let Some(first) = rest.next() {
        let mut group = vec![first];
        let mut common = 0;
        while let (Some((text, fold)), Some((next, same))) = (leading(&group[0]), rest.peek().and_then(leading)) {
            let bound = if group.len() == 1 { text.len() } else { common };
            let equal = text[..bound].iter().zip(next).take_while(|(a, b)| a == b).count();
            if equal == 0 || fold != same {
                break;
            }
            common = equal;
            group.extend(rest.next());
        }
        if group.len() == 1 {
            shared.append(&mut group);
            continue;
        }
        let (text, fold) = leading(&group[0]).map_or((&[][..], false), |(text, fold)| (&text[..common], fold));
        let prefix = Tree::Literal(text.to_vec(), fold, false);
        let suffixes = group.iter().map(|branch| without_leading(branch.clone(), common)).collect();
        shared.push(Tree::Concat(vec![prefix, factor(suffixes)]));
    }
    let is_single = |tree: &Tree| matches!(tree, Tree::Literal(text, ..) if text.len() == 1);
    let mut merged: Vec<Tree> = Vec::new();
    for branch in shared {
        match merged.last_mut() {
            Some(last) if is_single(&branch) && is_single(last) => *last = Tree::Other,
            Some(Tree::Empty) if branch == Tree::Empty => {}
            _ => merged.push(branch),
        }
    }
    if merged.len() == 1 { merged.remove(0) } else { Tree::Alternate(merged) }
}

fn either(left: Simple, right: Simple) -> Simple {
    match (left, right) {
        (Simple::All, other) | (other, Simple::All) => other,
        (Simple::Any(mut all), Simple::Any(more)) => {
            all.extend(more);
            Simple::Any(all)
        }
        (Simple::Any(mut all), other) => {
            all.push(other);
            Simple::Any(all)
        }
        (first, Simple::Any(mut all)) => {
            all.insert(0, first);
            Simple::Any(all)
        }
        (left, right) => Simple::Any(vec![left, right]),
    }
}

fn simple(tree: &Tree, whole: bool) -> Option<Simple> {
    match tree {
        Tree::Empty | Tree::AnyStar => Some(Simple::All),
        Tree::AnyPlus => Some(Simple::NotEmpty),
        Tree::Literal(text, fold, _) => {
            let text: String = text.iter().collect();
            Some(if whole { Simple::Equal(text, *fold) } else { Simple::Contains(text, *fold) })
        }
        Tree::Alternate(branches) => {
            let mut all = branches.iter().map(|branch| simple(branch, whole));
            let first = all.next()??;
            all.try_fold(first, |joined, next| Some(either(joined, next?)))
        }
        Tree::Concat(parts) => concat(parts, None),
        Tree::Other => None,
    }
}

/// A text with `.*` around it, or a text before alternatives.
fn concat(parts: &[Tree], base: Option<String>) -> Option<Simple> {
    let parts: Vec<&Tree> = parts.iter().filter(|part| **part != Tree::Empty).collect();
    if parts.len() > 3 {
        return None;
    }
    let mut base = base;
    let (mut has_literal, mut base_folds) = (false, false);
    let mut found: Option<Simple> = None;
    for part in parts {
        match (part, &base) {
            (Tree::Literal(..), _) if has_literal => return None,
            (Tree::Literal(text, fold, _), _) => {
                has_literal = true;
                base_folds = *fold;
                base.get_or_insert_default().extend(text);
            }
            (Tree::Alternate(branches), Some(literal)) => {
                found = Some(alternatives(branches, literal, found, base_folds)?);
            }
            (Tree::AnyStar, _) => {}
            _ => return None,
        }
    }
    found.or_else(|| base.map(|base| Simple::Contains(base, base_folds)))
}

fn alternatives(branches: &[Tree], literal: &str, found: Option<Simple>, base_folds: bool) -> Option<Simple> {
    let mut found = found;
    for branch in branches {
        let next = match branch {
            Tree::Literal(_, true, _) if !base_folds => return None,
            Tree::Empty | Tree::AnyStar => Simple::Contains(literal.to_owned(), base_folds),
            Tree::Literal(text, ..) => {
                let text: String = literal.chars().chain(text.iter().copied()).collect();
                Simple::Contains(text, base_folds)
            }
            Tree::Concat(parts) => concat(parts, Some(literal.to_owned()))?,
            _ => return None,
        };
        found = Some(match found {
            Some(before) => either(before, next),
            None => next,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_taken_apart_as_loki_does() {
        let contains = |text: &str| Simple::Contains(text.to_owned(), false);
        let equal = |text: &str| Simple::Equal(text.to_owned(), false);
        for (pattern, whole, want) in [
            ("foo", false, Some(contains("foo"))),
            ("foo", true, Some(equal("foo"))),
            ("foo.*", true, Some(contains("foo"))),
            (".*foo.*", false, Some(contains("foo"))),
            ("GET|POST", true, Some(Simple::Any(vec![equal("GET"), equal("POST")]))),
            ("GET|PUT|POST", true, Some(Simple::Any(vec![equal("GET"), contains("PUT"), contains("POST")]))),
            ("(foo|bar)", false, Some(Simple::Any(vec![contains("foo"), contains("bar")]))),
            ("foo|foobar", false, Some(Simple::Any(vec![contains("foo"), contains("foobar")]))),
            (".*", true, Some(Simple::All)),
            (".+", true, Some(Simple::NotEmpty)),
            ("5..", true, None),
            ("4|5", true, None),
            ("foo.*bar.*baz", true, None),
            ("a.b", false, None),
            ("(?i)foo", false, Some(Simple::Contains("foo".to_owned(), true))),
            ("\\d+", false, None),
            ("^foo", false, None),
        ] {
            assert_eq!(simplify(pattern, whole), want, "{pattern}");
        }
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(named("a").unwrap_err(), "at least one named capture must be supplied");
        assert_eq!(named("(?P<a>x)(?P<a>y)").unwrap_err(), "duplicate extracted label name 'a'");
        assert!(named("(?P<a>x)").is_ok());
        assert!(named("(").unwrap_err().starts_with("error parsing regexp: "));
    }
}
