//! `regex`, `replace` and `decolorize`.
//!
//! Go's patterns see each byte that is no UTF-8 as U+FFFD, ours would not match it with `.`; such lines are matched as Go sees
//! them, and what is extracted from them has U+FFFD, too. The line itself stays as it is.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use config::promtail::{RegexStage, ReplaceStage};
use regex::bytes::Regex;

use super::input;
use super::templates::Compiled;
use crate::entry::{Entry, Extract};
use crate::stamp::Stamps;

/// Compiles Go's syntax.
pub(super) fn compile(expression: &str) -> Result<Regex, String> {
    Regex::new(&model::pattern::from_go(expression)).map_err(|e| {
        let text = e.to_string();
        let last = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
        format!("could not compile regular expression {expression:?}: {last}")
    })
}

/// The text as Go's patterns see it.
pub(super) fn as_go_sees(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if std::str::from_utf8(&text).is_ok() {
        return text;
    }
    Cow::Owned(gotemplate::text::lossy(&text).into_owned().into_bytes())
}

/// `regex`.
#[derive(Debug)]
pub(crate) struct RegexStep {
    regex: Regex,
    source: Option<Arc<str>>,
    groups: Vec<(usize, Arc<str>)>,
}

fn named_groups(regex: &Regex) -> Vec<(usize, Arc<str>)> {
    regex.capture_names().enumerate().filter_map(|(i, name)| Some((i, Arc::from(name?)))).collect()
}

impl RegexStep {
    pub(super) fn new(config: &RegexStage) -> Result<Self, String> {
        let regex = compile(&config.expression)?;
        let groups = named_groups(&regex);
        Ok(RegexStep { regex, source: config.source.as_deref().map(Arc::from), groups })
    }

    pub(super) fn apply(&self, entry: &mut Entry<'_>) {
        let Some(text) = input(entry, self.source.as_ref()) else { return };
        let text = as_go_sees(text);
        let Some(found) = self.regex.captures(&text) else { return };
        let values: Vec<Extract> = self
            .groups
            .iter()
            .map(|(group, _)| Extract::text(found.get(*group).map_or(&b""[..], |matched| matched.as_bytes())))
            .collect();
        for ((_, name), value) in self.groups.iter().zip(values) {
            entry.extracted.set(name, value);
        }
    }
}

/// `replace`.
#[derive(Debug)]
pub(crate) struct ReplaceStep {
    regex: Regex,
    source: Option<Arc<str>>,
    groups: Vec<(usize, Arc<str>)>,
    template: Compiled,
}

impl ReplaceStep {
    pub(super) fn new(config: &ReplaceStage, stamps: Arc<Stamps>) -> Result<Self, String> {
        let regex = compile(&config.expression)?;
        let groups = named_groups(&regex);
        let template = Compiled::new(&config.replace, stamps)?;
        Ok(ReplaceStep { regex, source: config.source.as_deref().map(Arc::from), groups, template })
    }

    pub(super) fn apply(&self, entry: &mut Entry<'_>) {
        let Some(text) = input(entry, self.source.as_ref()) else { return };
        let text = as_go_sees(text);
        let Some((result, replaced)) = self.replaced(&text, entry) else { return };
        let first = self.regex.captures(&text);
        let named: Vec<(&Arc<str>, Extract)> = first
            .iter()
            .flat_map(|first| self.groups.iter().map(move |(group, name)| (first.get(*group), name)))
            .filter_map(|(matched, name)| {
                let captured = matched.map_or(&b""[..], |m| m.as_bytes());
                let (_, value) = replaced.iter().rev().find(|(from, _)| from == captured)?;
                Some((name, Extract::text(value)))
            })
            .collect();
        for (name, value) in named {
            entry.extracted.set(name, value);
        }
        match &self.source {
            Some(source) => entry.extracted.set(source, Extract::text(&result)),
            None => entry.line = Cow::Owned(result),
        }
    }

    /// The text with the groups of every match replaced, and what each was replaced by. `None` where nothing matches or the
    /// template fails.
    #[allow(clippy::type_complexity)] // from and to, nothing to name
    fn replaced(&self, text: &[u8], entry: &Entry<'_>) -> Option<(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>)> {
        let mut out = Vec::new();
        let mut done = 0;
        let mut replaced: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut any = false;
        for found in self.regex.captures_iter(text) {
            any = true;
            for group in found.iter().skip(1).flatten() {
                let by = self.template.execute(entry, Some(group.as_bytes()), None)?;
                // Groups within groups: the outer one has said it all.
                if done == 0 || done <= group.start() {
                    out.extend_from_slice(text.get(done..group.start()).unwrap_or_default());
                    out.extend_from_slice(&by);
                    done = group.end();
                }
                replaced.push((group.as_bytes().to_vec(), by));
            }
        }
        out.extend_from_slice(&text[done..]);
        any.then_some((out, replaced))
    }
}

/// Terminal colours and other escapes (Loki's `ansiPattern`).
static ANSI: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        "[\u{1b}\u{9b}][\\[\\]()#;?]*(?:(?:(?:[a-zA-Z\\d]*(?:;[a-zA-Z\\d]*)*)?\u{7})|(?:(?:\\d{1,4}(?:;\\d{0,4})*)?[\\dA-PRZcf-ntqry=><~]))",
    )
    .expect("the pattern is fixed")
});

pub(super) fn decolorize(entry: &mut Entry<'_>) {
    if memchr::memchr2(0x1b, 0xc2, &entry.line).is_none() {
        return;
    }
    if let Cow::Owned(plain) = ANSI.replace_all(&entry.line, &b""[..]) {
        entry.line = Cow::Owned(plain);
    }
}
