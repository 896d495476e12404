//! Reading `alertmanager.yml`. The checks are those of Alertmanager's `config`.

mod integrations;
mod intervals;
mod original;
mod receivers;
mod route;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;

use model::{MatchOp, Matcher};

use crate::alertmanager::{AlertingConfigFile, InhibitRuleConfig, MatcherSyntax, SilenceLimits, parse_matchers};
use crate::decode::{Context, Fields};
use crate::environment::Environment;
use crate::error::ConfigErrors;
use crate::scalar::Millis;
use crate::yaml::{self, Node, Position};

use super::{Loaded, patterns, read_text};

const KEYS: &[&str] = &[
    "global",
    "templates",
    "route",
    "receivers",
    "inhibit_rules",
    "mute_time_intervals",
    "time_intervals",
    "event_recorder",
    "tracing",
    "silences",
];

const SILENCE_KEYS: &[&str] = &["max_duration", "require_comment"];

const INHIBIT_KEYS: &[&str] = &[
    "name",
    "source_match",
    "source_match_re",
    "source_matchers",
    "target_match",
    "target_match_re",
    "target_matchers",
    "equal",
];

/// Reads, expands and validates an Alertmanager configuration file, with `.env` as for the main configuration. Nothing of a
/// configuration with an error is given; the error lists all that is wrong.
pub fn load_alertmanager(
    path: &Path,
    env: &Environment,
    syntax: MatcherSyntax,
) -> Result<Loaded<AlertingConfigFile>, ConfigErrors> {
    let mut files = vec![path.to_owned()];
    let mut problems = Vec::new();
    let text = read_text(path).map_err(|problem| ConfigErrors(vec![problem]))?;
    let env = env.with_env_files(path, &mut files, &mut problems);
    if !problems.is_empty() {
        return Err(ConfigErrors(problems));
    }
    let loaded = load_alertmanager_text(&text, path, &env, syntax)?;
    Ok(Loaded { files, ..loaded })
}

/// As [`load_alertmanager`] for a text that is not in a file yet; `path` names it in errors and is where relative paths start.
pub fn load_alertmanager_text(
    text: &str,
    path: &Path,
    env: &Environment,
    syntax: MatcherSyntax,
) -> Result<Loaded<AlertingConfigFile>, ConfigErrors> {
    let context = Context::new(path, env);
    let mut config = AlertingConfigFile::default();
    match yaml::parse(text) {
        Ok(document) => {
            for error in document.errors {
                context.problem(error.at, "", error.message);
            }
            let empty = Node { at: Position { line: 1, column: 1 }, value: yaml::Value::Null };
            let root = document.root.as_ref().unwrap_or(&empty);
            config = file(&context, root, syntax);
            config.original = original::shown(root);
        }
        Err(error) => context.problem(error.at, "", error.message),
    }
    let mut problems = context.problems.into_inner();
    if problems.is_empty() {
        return Ok(Loaded { config, files: vec![path.to_owned()], warnings: context.warnings.into_inner() });
    }
    problems.sort_by_key(|p| (p.line, p.column));
    problems.dedup();
    Err(ConfigErrors(problems))
}

fn file(context: &Context<'_>, node: &Node, syntax: MatcherSyntax) -> AlertingConfigFile {
    let f = Fields::open(context, node, "", &[KEYS]);
    let global = receivers::global(&f);
    let receivers = receivers::receivers(&f, &global);
    let names: Vec<String> = receivers.iter().map(|receiver| receiver.name.clone()).collect();
    let time_intervals = intervals::named(&f);
    let known: Vec<String> = time_intervals.iter().map(|interval| interval.name.clone()).collect();
    let route = route::root(&f, &names, &known, syntax);
    if f.get("tracing").is_some() {
        f.context.warning(f.place("tracing"), "tracing", "has no effect: nothing is traced");
    }
    if f.get("event_recorder").is_some() {
        let text = "has no effect: every event is kept, see GET /api/afferent/v1/alerting/history";
        f.context.warning(f.place("event_recorder"), "event_recorder", text);
    }
    AlertingConfigFile {
        path: context.file.to_owned(),
        resolve_timeout: global.resolve_timeout,
        templates: patterns(&f, "templates"),
        route,
        receivers,
        inhibit_rules: inhibit_rules(&f, syntax),
        time_intervals,
        silences: silences(&f),
        original: String::new(),
    }
}

fn silences(outer: &Fields<'_, '_>) -> SilenceLimits {
    let Some(node) = outer.get("silences") else { return SilenceLimits::default() };
    let f = Fields::open(outer.context, node, "silences", &[SILENCE_KEYS]);
    let max_duration = f.duration("max_duration");
    if max_duration.is_some_and(|most| most.is_zero()) {
        f.problem("max_duration", "max_duration cannot be zero");
    }
    SilenceLimits { max_duration, require_comment: f.boolean("require_comment").unwrap_or_default() }
}

fn inhibit_rules(outer: &Fields<'_, '_>, syntax: MatcherSyntax) -> Vec<InhibitRuleConfig> {
    let Some(node) = outer.get("inhibit_rules") else { return Vec::new() };
    let mut out = Vec::new();
    for (path, item) in outer.context.items(node, "inhibit_rules") {
        // Alertmanager takes an empty rule, which inhibits nothing.
        if matches!(item.value, yaml::Value::Null) {
            outer.context.warning(item.at, &path, "an empty rule inhibits nothing");
            continue;
        }
        let f = Fields::open(outer.context, item, path, &[INHIBIT_KEYS]);
        out.push(InhibitRuleConfig {
            name: f.text_or_empty("name"),
            source: all_matchers(&f, ["source_match", "source_match_re", "source_matchers"], syntax),
            target: all_matchers(&f, ["target_match", "target_match_re", "target_matchers"], syntax),
            equal: f.texts("equal"),
        });
    }
    out
}

/// The three ways to write matchers, together and sorted by name, value and operator as Alertmanager sorts them.
fn all_matchers(f: &Fields<'_, '_>, keys: [&str; 3], syntax: MatcherSyntax) -> Vec<Matcher> {
    let [equal, regex, list] = keys;
    let mut out = Vec::new();
    for (key, op) in [(equal, MatchOp::Equal), (regex, MatchOp::Regex)] {
        let Some(node) = f.get(key) else { continue };
        f.context.warning(node.at, &f.key(key), format!("is deprecated; use {list}"));
        for (path, entry) in f.context.map(node, &f.key(key)) {
            if !model::is_valid_legacy_label_name(&entry.key) {
                f.context.problem(entry.key_at, &path, format!("invalid label name {:?}", entry.key));
            }
            let Some(value) = f.context.text(&entry.value, &path) else { continue };
            match Matcher::new(&entry.key, op, value) {
                Ok(matcher) => out.push(matcher),
                Err(error) => f.context.problem(entry.value.at, &path, error.to_string()),
            }
        }
    }
    if let Some(node) = f.get(list) {
        for (path, item) in f.context.items(node, &f.key(list)) {
            let Some(text) = f.context.text(item, &path) else { continue };
            match parse_matchers(&text, syntax) {
                Ok(matchers) => out.extend(matchers),
                Err(error) => f.context.problem(item.at, &path, format!("{error}: {text}")),
            }
        }
    }
    out.sort_by(|a, b| (&a.name, &a.value, a.op.as_str()).cmp(&(&b.name, &b.value, b.op.as_str())));
    out
}

/// Reports names given twice.
fn unique(f: &Fields<'_, '_>, what: &str, names: &[(String, Position, String)]) {
    let mut seen = BTreeMap::new();
    for (name, at, path) in names {
        if let Some(line) = seen.insert(name, at.line) {
            f.context.problem(*at, path, format!("{what} {name:?} is not unique, first in line {line}"));
        }
    }
}

/// A duration above zero, or what stands instead.
fn positive(f: &Fields<'_, '_>, key: &str, otherwise: Millis) -> Millis {
    match f.duration(key) {
        Some(duration) if duration.is_zero() => {
            f.problem(key, format!("{key} cannot be zero"));
            otherwise
        }
        Some(duration) => duration,
        None => otherwise,
    }
}
