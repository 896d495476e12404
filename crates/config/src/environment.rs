//! The variables that `${NAME}` may name: those of the process, and of `.env` files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Problem;

/// Variables for expansion. Those given here win over those of `.env` files.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    working_directory: Option<PathBuf>,
}

impl std::fmt::Debug for Environment {
    // Values are often secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.variables.keys().collect();
        f.debug_struct("Environment")
            .field("names", &names)
            .field("working_directory", &self.working_directory)
            .finish()
    }
}

impl Environment {
    /// The variables of this process, and `.env` in its working directory.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Environment { variables, working_directory: std::env::current_dir().ok() }
    }

    /// The given variables, and no working directory.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Environment { variables, working_directory: None }
    }

    /// Looks for `.env` in this directory too.
    #[must_use]
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.working_directory = Some(directory.into());
        self
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// This environment with what `.env` beside the configuration file, then `.env` in the working directory, add to it.
    pub(crate) fn with_env_files(&self, config: &Path, read: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) -> Self {
        let mut all = self.clone();
        let beside = config.parent().map(|directory| directory.join(".env"));
        let working = self.working_directory.as_ref().map(|directory| directory.join(".env"));
        let same = matches!((&beside, &working), (Some(a), Some(b)) if same_file(a, b));
        for path in beside.into_iter().chain(working.filter(|_| !same)) {
            let text = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => {
                    problems.push(Problem::of_file(&path, format!("cannot be read: {e}")));
                    continue;
                }
            };
            read.push(path.clone());
            let Ok(text) = String::from_utf8(text) else {
                problems.push(Problem::of_file(&path, "is not UTF-8 text"));
                continue;
            };
            let (pairs, errors) = parse_env(&text);
            for (name, value) in pairs {
                all.variables.entry(name).or_insert(value);
            }
            problems.extend(errors.into_iter().map(|(line, message)| Problem {
                file: path.clone(),
                line,
                column: 0,
                key: String::new(),
                message,
            }));
        }
        all
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Reads the text of a `.env` file: `NAME=value` lines, `#` comments, `export ` prefixes, `'...'` taken literally, `"..."`
/// with `\n`, `\t`, `\r`, `\"`, `\\` and `\$`; quoted values may span lines. Gives the variables (of two with one name the
/// last wins), and errors with their line numbers. An error never quotes a value.
pub fn parse_env(text: &str) -> (BTreeMap<String, String>, Vec<(usize, String)>) {
    let mut variables = BTreeMap::new();
    let mut errors = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = text;
    let mut line = 0;
    while !rest.is_empty() {
        line += 1;
        let here = line;
        let (this, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let statement = this.trim();
        if statement.is_empty() || statement.starts_with('#') {
            rest = after;
            continue;
        }
        let statement = match statement.strip_prefix("export") {
            Some(assignment) if assignment.starts_with([' ', '\t']) => assignment.trim_start(),
            _ => statement,
        };
        let Some((name, _)) = statement.split_once('=') else {
            errors.push((here, "expected NAME=value".to_owned()));
            rest = after;
            continue;
        };
        let name = name.trim_end();
        if !is_name(name) {
            errors.push((here, format!("{name:?} is not a variable name: letters, digits and `_`, no digit first")));
            rest = after;
            continue;
        }
        let value_at = rest.find('=').expect("the statement holds `=`") + 1;
        let value = rest[value_at..].trim_start_matches([' ', '\t']);
        match value.chars().next() {
            Some(quote @ ('"' | '\'')) => match quoted(&value[1..], quote) {
                Some((text, tail)) => {
                    line += value[..value.len() - tail.len()].matches('\n').count();
                    let (trailing, after) = tail.split_once('\n').unwrap_or((tail, ""));
                    if !trailing.trim().is_empty() && !trailing.trim_start().starts_with('#') {
                        errors.push((line, "text after the closing quote".to_owned()));
                    }
                    variables.insert(name.to_owned(), text);
                    rest = after;
                }
                None => {
                    errors.push((here, format!("the value of {name} has no closing {quote}")));
                    rest = after;
                }
            },
            _ => {
                let value = rest[value_at..].split('\n').next().unwrap_or_default();
                variables.insert(name.to_owned(), without_comment(value).trim().to_owned());
                rest = after;
            }
        }
    }
    (variables, errors)
}

/// The text up to the closing quote with escapes resolved, and what follows the quote.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((out, &text[at + 1..]));
        }
        if c != '\\' || quote == '\'' {
            out.push(c);
            continue;
        }
        match chars.next()?.1 {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            escaped @ ('"' | '\\' | '$') => out.push(escaped),
            other => out.extend(['\\', other]),
        }
    }
    None
}

/// An unquoted value ends at a `#` that follows a blank.
fn without_comment(value: &str) -> &str {
    let comment = value.char_indices().find(|(at, c)| {
        *c == '#' && value[..*at].chars().next_back().is_some_and(|before| before == ' ' || before == '\t')
    });
    comment.map_or(value, |(at, _)| &value[..at])
}

pub(crate) fn is_name(name: &str) -> bool {
    model::is_valid_legacy_label_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let text = "# comment\n\nA=1\nexport B = two words  # why\nC='a $b #c'\nD=\"x\\ty\\\"z\" # ok\nE=\nF=a#b\nG=\"1\n2\"\r\nexportH=3\nA=4\nI=#channel # why\nJ= # nothing\n";
        let (variables, errors) = parse_env(text);
        assert_eq!(errors, []);
        let expected = [
            ("A", "4"),
            ("B", "two words"),
            ("C", "a $b #c"),
            ("D", "x\ty\"z"),
            ("E", ""),
            ("F", "a#b"),
            ("G", "1\n2"),
            ("I", "#channel"),
            ("J", ""),
            ("exportH", "3"),
        ];
        assert_eq!(variables, expected.map(|(n, v)| (n.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn names_the_line_of_an_error() {
        let (variables, errors) = parse_env("OK=1\nnonsense\n1A=2\nQ=\"a\nb\" c\nR=\"open\nS=hunter2\n");
        let lines: Vec<_> = errors.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 5, 6]);
        assert!(errors[3].1.contains("no closing"), "{errors:?}");
        assert_eq!(variables["S"], "hunter2");
    }

    #[test]
    fn debug_shows_names_only() {
        let shown = format!("{:?}", Environment::from_pairs([("TOKEN", "hunter2")]));
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"));
    }
}
