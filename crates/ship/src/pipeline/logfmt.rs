//! `logfmt`: values out of `key=value` pairs, read as `go-logfmt` does.

use std::sync::Arc;

use config::promtail::LogfmtStage;

use super::input;
use crate::entry::{Entry, Extract};

/// The stage.
#[derive(Debug)]
pub(crate) struct LogfmtStep {
    source: Option<Arc<str>>,
    /// Key in the line, and name of the extracted value.
    mapping: Vec<(String, Arc<str>)>,
}

impl LogfmtStep {
    pub(super) fn new(config: &LogfmtStage) -> Self {
        let mut mapping: Vec<(String, Arc<str>)> = Vec::new();
        for (name, key) in &config.mapping {
            mapping.retain(|(known, _)| known != key);
            mapping.push((key.clone(), Arc::from(name.as_str())));
        }
        LogfmtStep { source: config.source.as_deref().map(Arc::from), mapping }
    }

    pub(super) fn apply(&self, entry: &mut Entry<'_>) {
        let Some(text) = input(entry, self.source.as_ref()) else { return };
        let mut found = Vec::new();
        for line in text.split(|b| *b == b'\n') {
            // What stands before an error counts.
            let is_good = pairs(line, &mut |key, value| {
                if let Some((_, name)) = self.mapping.iter().find(|(wanted, _)| wanted.as_bytes() == key) {
                    found.push((name, Extract::text(value)));
                }
            });
            if !is_good {
                break;
            }
        }
        for (name, value) in found {
            entry.extracted.set(name, value);
        }
    }
}

/// Reads one line; false where it is no logfmt. Keys are everything up to blank, `=` or `"`; a key without `=` has no value.
fn pairs(line: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> bool {
    let mut at = 0;
    while at < line.len() {
        if line[at] <= b' ' {
            at += 1;
            continue;
        }
        let start = at;
        while at < line.len() && line[at] > b' ' && line[at] != b'=' && line[at] != b'"' {
            at += 1;
        }
        if start == at || line.get(at) == Some(&b'"') {
            return false;
        }
        let key = &line[start..at];
        if line.get(at) != Some(&b'=') {
            visit(key, b"");
            continue;
        }
        at += 1;
        if line.get(at) == Some(&b'"') {
            let Some((value, next)) = quoted(line, at) else { return false };
            visit(key, &value);
            at = next;
            continue;
        }
        let start = at;
        while at < line.len() && line[at] > b' ' {
            if matches!(line[at], b'=' | b'"') {
                return false;
            }
            at += 1;
        }
        visit(key, &line[start..at]);
    }
    true
}

/// The text of a quoted value that begins at `at`, and where it ends. Escapes are those of JSON.
fn quoted(line: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let mut end = at + 1;
    let mut has_escape = false;
    loop {
        match line.get(end)? {
            b'\\' => {
                has_escape = true;
                end += 2;
            }
            b'"' => break,
            _ => end += 1,
        }
    }
    let inner = &line[at + 1..end];
    if !has_escape {
        return Some((inner.to_vec(), end + 1));
    }
    let text: String = serde_json::from_slice(&line[at..=end]).ok()?;
    Some((text.into_bytes(), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Vec<(String, String)>, bool) {
        let mut found = Vec::new();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let is_good = pairs(line.as_bytes(), &mut |key, value| found.push((lossy(key), lossy(value))));
        (found, is_good)
    }

    #[test]
    fn reads_as_go_logfmt() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            read(r#"a=1 b="two \"x\" \u0041" c d= e=f"#),
            (vec![pair("a", "1"), pair("b", "two \"x\" A"), pair("c", ""), pair("d", ""), pair("e", "f")], true)
        );
        assert_eq!(read("a=1 =2"), (vec![pair("a", "1")], false));
        assert_eq!(read("a=\"open"), (vec![], false));
        assert_eq!(read("a=1=2"), (vec![], false));
    }
}
