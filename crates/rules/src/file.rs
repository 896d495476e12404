//! Rule files, read and checked: form by `config`, expressions by their language, templates by `gotemplate`.

use std::path::{Path, PathBuf};

use config::{ConfigErrors, Loaded, NameValidation, Placed, Problem, RuleConfig, RuleFile, RuleGroupConfig, RuleKind};
use model::Labels;

use crate::error::RulesError;
use crate::language::Language;
use crate::template::TemplatedText;

/// All rule files of a configuration.
#[derive(Clone, Debug, Default)]
pub struct LoadedRules {
    /// The files, in the order of their patterns.
    pub files: Vec<RuleFile>,
    /// What is allowed but most likely not meant.
    pub warnings: Vec<Problem>,
}

impl LoadedRules {
    /// All rules.
    pub fn count(&self) -> usize {
        self.files.iter().flat_map(|file| &file.groups).map(|group| group.rules.len()).sum()
    }
}

/// Reads the files that patterns name and checks them. Nothing is given where any of them has an error.
pub fn load(patterns: &[PathBuf], names: NameValidation, language: Language) -> Result<LoadedRules, RulesError> {
    let mut rules = LoadedRules::default();
    let mut problems = Vec::new();
    for path in patterns.iter().flat_map(|pattern| config::expand_pattern(pattern)) {
        if rules.files.iter().any(|known| known.path == path) {
            continue;
        }
        match read(&path).and_then(|text| check_rules(&text, &path, names, language)) {
            Ok(loaded) => {
                rules.files.push(loaded.config);
                rules.warnings.extend(loaded.warnings);
            }
            Err(errors) => problems.extend(errors.0),
        }
    }
    if problems.is_empty() { Ok(rules) } else { Err(ConfigErrors(problems).into()) }
}

fn read(path: &Path) -> Result<String, ConfigErrors> {
    std::fs::read_to_string(path).map_err(|error| {
        ConfigErrors(vec![Problem {
            file: path.to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            message: format!("cannot be read: {error}"),
        }])
    })
}

/// Checks the text of a rule file whose expressions are in a language; `path` names it in errors.
pub fn check_rules(
    text: &str,
    path: &Path,
    names: NameValidation,
    language: Language,
) -> Result<Loaded<RuleFile>, ConfigErrors> {
    let (mut problems, loaded) = match config::load_rules(text, path, names) {
        Ok(loaded) => (Vec::new(), loaded),
        Err(errors) => return Err(errors),
    };
    for group in &loaded.config.groups {
        for rule in &group.rules {
            check_rule(path, language, group, rule, &mut problems);
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(ConfigErrors(problems)) }
}

fn check_rule(
    path: &Path,
    language: Language,
    group: &RuleGroupConfig,
    rule: &RuleConfig,
    problems: &mut Vec<Problem>,
) {
    let mut report = |placed: &Placed, key: &str, message: String| {
        problems.push(Problem {
            file: path.to_owned(),
            line: placed.at.line,
            column: placed.at.column,
            key: format!("{}.{key}", rule.key),
            message: format!("group {:?}, rule {:?}: {message}", group.name, rule.name.text),
        });
    };
    if let Err(error) = language.check(&rule.expr.text) {
        report(&rule.expr, "expr", format!("could not parse expression: {error}"));
    }
    if rule.kind == RuleKind::Recording {
        return;
    }
    for (name, text) in group.labels_of(rule) {
        if let Err(error) = TemplatedText::parse(&rule.name.text, &text.text) {
            report(text, &format!("labels.{name}"), format!("label {name:?}: {error}"));
        }
    }
    for (name, text) in &rule.annotations {
        if let Err(error) = TemplatedText::parse(&rule.name.text, &text.text) {
            report(text, &format!("annotations.{name}"), format!("annotation {name:?}: {error}"));
        }
    }
}

/// A rule that another one repeats.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duplicate {
    /// Metric or alert.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// Rules of a file with the name and labels of another one, each named once: what promtool's lint `duplicate-rules` tells.
pub fn duplicates(file: &RuleFile) -> Vec<Duplicate> {
    let mut rules: Vec<Duplicate> = Vec::new();
    for group in &file.groups {
        for rule in &group.rules {
            let labels = group.labels_of(rule);
            let labels = Labels::from_pairs(labels.iter().map(|(name, text)| (*name, text.text.as_str())));
            rules.push(Duplicate { name: rule.name.text.clone(), labels });
        }
    }
    rules.sort();
    let mut repeated: Vec<Duplicate> = rules.windows(2).filter(|p| p[0] == p[1]).map(|p| p[0].clone()).collect();
    repeated.dedup();
    repeated
}
