//! Files of templates with known output, as `afferent test templates --data DIR CASES` runs them.
//!
//! A case file has one JSON object per line: `{name, mode, data, template, output or error}`; an empty output may be left out. The directory holds
//! `data.json` (the data sets by name) and may hold `default.tmpl` and `email.tmpl`, in whose company the cases named
//! `default:*` run. In the data set `rule` the numbers `Value`, `Big`, `Neg`, `Zero` and those of `Floats` are floats, all
//! others integers; data sets with a `Receiver` are notifications.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use model::{ManualClock, Timestamp};
use serde::Deserialize;
use thiserror::Error as ThisError;

use crate::data::{Alert, Flavour, Notification, Pairs};
use crate::funcs::alertmanager;
use crate::time::Time;
use crate::types::Type;
use crate::value::{List, Map};
use crate::{Limits, Mode, Template, Value};

/// Why cases could not be run at all.
#[derive(Debug, ThisError)]
pub enum CasesError {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// A file is not what it should be.
    #[error("{file}:{line}: {reason}")]
    Format {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// The reason.
        reason: String,
    },
}

/// How the cases went.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases whose output or error was as known.
    pub passed: usize,
    /// The others.
    pub failed: usize,
    /// What each failed case is, what was expected and what came.
    pub failures: Vec<Failure>,
}

/// One failed case.
#[derive(Debug)]
pub struct Failure {
    /// Name, mode and data set.
    pub case: String,
    /// The template.
    pub template: String,
    /// The known output, or `error: ` and the known error.
    pub expected: String,
    /// What came instead, in the same form.
    pub actual: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { case, template, expected, actual } = self;
        write!(f, "{case}: {template}\n  want {expected:?}\n  got  {actual:?}")
    }
}

#[derive(Deserialize)]
struct Case {
    name: String,
    mode: String,
    data: String,
    template: String,
    output: Option<String>,
    error: Option<String>,
}

/// Runs all cases of a file.
pub fn run(data_dir: &Path, cases_file: &Path) -> Result<Report, CasesError> {
    let data_file = data_dir.join("data.json");
    let sets: BTreeMap<String, serde_json::Value> = serde_json::from_str(&read(&data_file)?)
        .map_err(|error| format_error(&data_file, error.line(), error.to_string()))?;
    let mut data = HashMap::new();
    for (name, set) in &sets {
        let value = if set.get("Receiver").is_some() {
            notification(set)
                .ok_or_else(|| format_error(&data_file, 1, format!("data set {name:?} is not a notification")))?
        } else {
            rule_value("", set)
        };
        data.insert(name.as_str(), value);
    }
    let bases = Bases::load(data_dir)?;
    let mut report = Report::default();
    for (at, line) in read(cases_file)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let case: Case =
            serde_json::from_str(line).map_err(|error| format_error(cases_file, at + 1, error.to_string()))?;
        let value = data
            .get(case.data.as_str())
            .ok_or_else(|| format_error(cases_file, at + 1, format!("unknown data set {:?}", case.data)))?;
        let actual = bases.execute(&case, value).map_err(|error| error.to_string());
        match verdict(&case, &actual) {
            Ok(()) => report.passed += 1,
            Err(expected) => {
                report.failed += 1;
                report.failures.push(Failure {
                    case: format!("{} {} {}", case.name, case.mode, case.data),
                    template: case.template,
                    expected,
                    actual: actual.unwrap_or_else(|error| format!("error: {error}")),
                });
            }
        }
    }
    Ok(report)
}

fn read(path: &Path) -> Result<String, CasesError> {
    fs::read_to_string(path).map_err(|error| CasesError::Io(path.display().to_string(), error))
}

fn format_error(file: &Path, line: usize, reason: String) -> CasesError {
    CasesError::Format { file: file.display().to_string(), line, reason }
}

/// The sets that cases are added to.
struct Bases {
    plain: Template,
    plain_html: Template,
    default: Template,
    default_html: Template,
}

impl Bases {
    fn load(data_dir: &Path) -> Result<Bases, CasesError> {
        let clock = Arc::new(ManualClock::new(Timestamp(1_774_750_000_000)));
        let funcs = alertmanager::functions(clock);
        let with_defaults = |mode: Mode| -> Result<Template, CasesError> {
            let mut template = Template::new(mode, &funcs);
            for file in ["default.tmpl", "email.tmpl"] {
                let path = data_dir.join(file);
                if path.exists() {
                    template.add("", &read(&path)?).map_err(|error| format_error(&path, 1, error.to_string()))?;
                }
            }
            Ok(template)
        };
        Ok(Bases {
            plain: Template::new(Mode::Text, &funcs),
            plain_html: Template::new(Mode::Html, &funcs),
            default: with_defaults(Mode::Text)?,
            default_html: with_defaults(Mode::Html)?,
        })
    }

    fn execute(&self, case: &Case, data: &Value) -> Result<String, crate::Error> {
        let base = match (case.name.starts_with("default:"), case.mode == "html") {
            (false, false) => &self.plain,
            (false, true) => &self.plain_html,
            (true, false) => &self.default,
            (true, true) => &self.default_html,
        };
        let mut template = base.clone();
        template.add("case", &case.template)?;
        template.execute("case", data, &Limits::default())
    }
}

/// Outputs must agree byte for byte; errors in their place and kind, which is all but the value that a message may show. A
/// case with neither output nor error has no output.
fn verdict(case: &Case, actual: &Result<String, String>) -> Result<(), String> {
    let as_expected = match (&case.error, actual) {
        (Some(expected), Err(actual)) => same_error(expected, actual),
        (None, Ok(actual)) => case.output.as_deref().unwrap_or_default() == actual,
        _ => false,
    };
    match (&case.error, as_expected) {
        (_, true) => Ok(()),
        (Some(expected), false) => Err(format!("error: {expected}")),
        (None, false) => Err(case.output.clone().unwrap_or_default()),
    }
}

fn same_error(expected: &str, actual: &str) -> bool {
    if expected == actual {
        return true;
    }
    // "template: case:1:3: executing "case" at <len .X>: error calling len: ..."
    // "html/template:case:1:3: {{if}} branches end in different contexts: {stateText ...}, {stateTag ...}"
    if let (Some(expected), Some(actual)) = (expected.split_once(": {state"), actual.split_once(": {state")) {
        return expected.0 == actual.0;
    }
    match (expected.split_once(">: "), actual.split_once(">: ")) {
        (Some((expected_place, expected_reason)), Some((actual_place, actual_reason))) => {
            let kind = |reason: &str| reason.split([':', '\n']).next().unwrap_or_default().to_owned();
            expected_place == actual_place && kind(expected_reason) == kind(actual_reason)
        }
        _ => false,
    }
}

/// The values of the data set `rule`, with the types that Go's program gave them.
fn rule_value(name: &str, json: &serde_json::Value) -> Value {
    let is_float = matches!(name, "Value" | "Big" | "Neg" | "Zero" | "Floats");
    match json {
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(int) if !is_float => Value::int(int),
            _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::Array(items) => {
            let items: Vec<Value> = items.iter().map(|item| rule_value(name, item)).collect();
            let first = items.first().map_or(Some(Type::String), Value::type_of);
            let uniform = items.iter().all(|item| item.type_of() == first);
            let element = first.filter(|_| uniform).unwrap_or(Type::Interface);
            Value::List(Arc::new(List::new(element, items)))
        }
        serde_json::Value::Object(entries) => {
            let element = match name {
                "Labels" => Type::String,
                "Map" => Type::INT,
                _ => Type::Interface,
            };
            let entries = entries.iter().map(|(key, value)| (key.as_str().into(), rule_value(key, value)));
            Value::Map(Arc::new(Map::new(element, entries)))
        }
        json => Value::from_json(json),
    }
}

fn notification(set: &serde_json::Value) -> Option<Value> {
    let text = |json: &serde_json::Value, name: &str| Some(json.get(name)?.as_str()?.to_owned());
    let pairs = |json: &serde_json::Value, name: &str| -> Option<Pairs> {
        json.get(name)?.as_object()?.iter().map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
    };
    let alert = |json: &serde_json::Value| {
        Some(Alert {
            status: text(json, "Status")?,
            labels: pairs(json, "Labels")?,
            annotations: pairs(json, "Annotations")?,
            starts_at: Time::parse_rfc3339(&text(json, "StartsAt")?)?,
            ends_at: Time::parse_rfc3339(&text(json, "EndsAt")?)?,
            generator_url: text(json, "GeneratorURL")?,
            fingerprint: text(json, "Fingerprint")?,
        })
    };
    let notification = Notification {
        receiver: text(set, "Receiver")?,
        status: text(set, "Status")?,
        alerts: set.get("Alerts")?.as_array()?.iter().map(alert).collect::<Option<_>>()?,
        group_labels: pairs(set, "GroupLabels")?,
        common_labels: pairs(set, "CommonLabels")?,
        common_annotations: pairs(set, "CommonAnnotations")?,
        route_labels: pairs(set, "RouteLabels")?,
        external_url: text(set, "ExternalURL")?,
        notification_reason: text(set, "NotificationReason")?,
    };
    Some(notification.to_value_as(Flavour::Cases))
}
