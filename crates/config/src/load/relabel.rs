//! Relabelling rules. Rules for what goes together: Prometheus, `relabel.Config.Validate`.

use crate::decode::{Context, Fields, one_of};
use crate::expand::expand;
use crate::relabel::{AnchoredRegex, DEFAULT_REPLACEMENT, RelabelAction, RelabelConfig};
use crate::scrape::NameValidation;
use crate::yaml::{Node, Value};

const KEYS: &[&str] = &["source_labels", "separator", "regex", "modulus", "target_label", "replacement", "action"];

/// Reads a list of rules.
pub(super) fn relabel_configs(f: &Fields<'_, '_>, key: &str, names: NameValidation) -> Vec<RelabelConfig> {
    f.sections(key, |context, node, path| relabel_config(context, node, path, names))
}

fn relabel_config(context: &Context<'_>, node: &Node, path: String, names: NameValidation) -> Option<RelabelConfig> {
    let f = Fields::open(context, node, path, &[KEYS]);
    let defaults = RelabelConfig::default();
    let mut bad_regex = false;
    let regex = match f.text("regex") {
        Some(source) => AnchoredRegex::new(&source).map_err(|reason| {
            bad_regex = true;
            f.problem("regex", format!("invalid regular expression {source:?}: {reason}"));
        }),
        // As in Prometheus, a key without a value is the empty pattern.
        None if f.has("regex") && f.get("regex").is_none() => {
            Ok(AnchoredRegex::new("").expect("the empty pattern is valid"))
        }
        None => Ok(defaults.regex.clone()),
    };
    let regex = regex.unwrap_or(defaults.regex);
    let config = RelabelConfig {
        source_labels: f.texts("source_labels"),
        separator: f.text("separator").unwrap_or(defaults.separator),
        modulus: f.unsigned("modulus").unwrap_or(0),
        target_label: template(&f, "target_label", &regex).unwrap_or_default(),
        replacement: template(&f, "replacement", &regex).unwrap_or(defaults.replacement),
        action: action(&f)?,
        regex,
    };
    if config.source_labels.iter().any(String::is_empty) {
        f.problem("source_labels", "a label name cannot be empty");
    }
    if !bad_regex {
        validate(&f, &config, names);
    }
    Some(config)
}

/// A text in which `$1` and `${name}` stand for groups of the pattern: only names that are no group are environment variables.
fn template(f: &Fields<'_, '_>, key: &str, regex: &AnchoredRegex) -> Option<String> {
    let node = f.get(key)?;
    let raw = f.context.raw_text(node, &f.key(key))?;
    let is_group = |name: &str| regex.regex().capture_names().flatten().any(|group| group == name);
    match expand(raw, f.context.env, &is_group) {
        Ok(text) => Some(text),
        Err(undefined) => {
            f.context.undefined(node.at, &f.key(key), &undefined);
            None
        }
    }
}

fn action(f: &Fields<'_, '_>) -> Option<RelabelAction> {
    if f.get("action").is_none() {
        return Some(RelabelAction::Replace);
    }
    let text = f.text("action")?;
    let found = RelabelAction::ALL.into_iter().find(|action| action.as_str() == text.to_lowercase());
    if found.is_none() {
        let words = RelabelAction::ALL.map(RelabelAction::as_str);
        f.problem("action", format!("unknown relabel action {text:?}; {}", one_of(&text, &words)));
    }
    found
}

fn validate(f: &Fields<'_, '_>, config: &RelabelConfig, names: NameValidation) {
    use RelabelAction as A;
    let action = config.action;
    let word = action.as_str();
    let writes_target =
        matches!(action, A::Replace | A::HashMod | A::Lowercase | A::Uppercase | A::KeepEqual | A::DropEqual);
    if action == A::HashMod && config.modulus == 0 {
        f.problem("modulus", "hashmod requires a modulus above 0");
    }
    if writes_target && config.target_label.is_empty() {
        f.problem("target_label", format!("must be set for the action {word}"));
        return;
    }
    let target_is_valid = match action {
        A::Replace if has_variable(&config.target_label) => is_valid_template(&config.target_label, names),
        _ => !writes_target || names.is_valid_label_name(&config.target_label),
    };
    if !target_is_valid {
        let target = &config.target_label;
        f.problem("target_label", format!("{target:?} is not a valid label name for the action {word}"));
    }
    let changes_replacement = config.replacement != DEFAULT_REPLACEMENT;
    match action {
        A::Lowercase | A::Uppercase if changes_replacement => {
            f.problem("replacement", format!("cannot be set for the action {word}"));
        }
        A::LabelMap if !is_valid_template(&config.replacement, names) => {
            let replacement = &config.replacement;
            f.problem("replacement", format!("{replacement:?} is not a valid label name for the action labelmap"));
        }
        A::KeepEqual | A::DropEqual => {
            let forbidden = ["regex", "modulus", "separator", "replacement"];
            only(f, config, word, "source_labels and target_label", &forbidden);
        }
        A::LabelDrop | A::LabelKeep => {
            let forbidden = ["source_labels", "target_label", "modulus", "separator", "replacement"];
            only(f, config, word, "regex", &forbidden);
        }
        _ => {}
    }
}

/// Reports forbidden keys that say something else than the default.
fn only(f: &Fields<'_, '_>, config: &RelabelConfig, action: &str, allowed: &str, forbidden: &[&str]) {
    let defaults = RelabelConfig::default();
    for key in forbidden {
        let is_set = match *key {
            "separator" => config.separator != defaults.separator,
            "replacement" => config.replacement != defaults.replacement,
            "modulus" => config.modulus != 0,
            "target_label" => !config.target_label.is_empty(),
            "source_labels" => matches!(f.get(key), Some(Node { value: Value::Sequence(_), .. })),
            _ => f.has(key),
        };
        if is_set {
            f.problem(key, format!("the action {action} takes only {allowed}"));
        }
    }
}

/// Prometheus' test for a variable: `$` followed by a name or by `{name}`.
fn has_variable(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices('$').any(|(at, _)| {
        let after = &text[at + 1..];
        match after.strip_prefix('{') {
            Some(inside) => {
                inside.split_once('}').is_some_and(|(name, _)| !name.is_empty() && name.chars().all(is_word))
            }
            None => after.starts_with(is_word),
        }
    })
}

/// A label name in which variables may stand: `^(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+$` for classic names.
fn is_valid_template(text: &str, names: NameValidation) -> bool {
    if names == NameValidation::Utf8 {
        return !text.is_empty();
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = text;
    let mut may_be_digit = false;
    while let Some(c) = rest.chars().next() {
        let length = if c == '$' {
            match rest[1..].strip_prefix('{') {
                Some(inside) => match inside.split_once('}') {
                    Some((name, _)) if !name.is_empty() && name.chars().all(is_word) => name.len() + 3,
                    _ => return false,
                },
                None => match rest[1..].chars().take_while(|c| is_word(*c)).count() {
                    0 => return false,
                    n => n + 1,
                },
            }
        } else if c.is_ascii_alphabetic() || c == '_' || (c.is_ascii_digit() && may_be_digit) {
            1
        } else {
            return false;
        };
        may_be_digit = true;
        rest = &rest[length..];
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_templates() {
        for (text, classic) in [
            ("label", true),
            ("$1", true),
            ("${1}_x", true),
            ("x${name}2", true),
            ("${ab", false),
            ("1x", false),
            ("a-b", false),
            ("$", false),
            ("", false),
        ] {
            assert_eq!(is_valid_template(text, NameValidation::Legacy), classic, "{text}");
        }
        assert!(has_variable("a${b}") && has_variable("$1") && !has_variable("a$") && !has_variable("${}"));
    }
}
