//! Single lines through one stage, with what a real Loki made of them.

use std::collections::BTreeMap;

use logql::{Direction, Engine, QueryContext, RangeParams, Value};
use serde::Deserialize;

use crate::evaluate::datasets;
use crate::memory::Help;
use crate::shared;

#[derive(Deserialize)]
struct Case {
    stage: String,
    case: String,
    input: String,
    #[serde(default)]
    matched: bool,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    line: Option<String>,
    error: Option<String>,
}

/// Labels and line by case.
type Answers = BTreeMap<String, (BTreeMap<String, String>, String)>;

/// Loki lacks labels here because it had met other names for them in lines before: `docs/compatibility.md`.
const OTHERWISE: [&str; 7] = ["0368", "0377", "0388", "0392", "0393", "0399", "0406"];

#[test]
fn lines_are_read_as_by_loki() {
    let Some(text) = shared::read("line_cases.jsonl") else { return };
    let source = datasets(1, Help::Plain).expect("the cases are there");
    let (engine, ctx) = (Engine::default(), QueryContext::default());
    let mut answers: BTreeMap<String, Answers> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let answer = answers.entry(case.stage.clone()).or_insert_with(|| {
            let stage = case.stage.replace("\\\\\\\\", "\\\\");
            let query = logql::parse(&format!("{{app=\"case\"}} | {stage}")).expect("the stage is right");
            let params =
                RangeParams { start: 0, end: i64::MAX, step: 1, interval: 0, limit: 0, direction: Direction::Forward };
            let result = engine.query_range(&source, &ctx, &query, &params).expect("the query is right");
            let Value::Streams(streams) = result.value else { panic!("not streams") };
            let mut lines = BTreeMap::new();
            for stream in streams {
                let mut labels: BTreeMap<String, String> =
                    stream.labels.iter().map(|label| (label.name.to_owned(), label.value.to_owned())).collect();
                let case = labels.remove("case").expect("every line has its case");
                labels.remove("app");
                let line = String::from_utf8_lossy(&stream.entries[0].line).into_owned();
                lines.insert(case, (labels, line));
            }
            lines
        });
        if case.error.is_some() {
            // Loki cannot answer at all: a line must not break a query.
            assert!(answer.contains_key(&case.case), "{} {}", case.stage, case.case);
            continue;
        }
        if case.stage == "logfmt --keep-empty" && OTHERWISE.contains(&case.case.as_str()) {
            continue;
        }
        let have = answer.get(&case.case);
        let same = match have {
            None => !case.matched,
            Some((labels, line)) => {
                case.matched && *labels == case.labels && case.line.as_ref().is_none_or(|want| want == line)
            }
        };
        if !same {
            wrong.push(format!(
                "{} {} {:?}\n  have {have:?}\n  want {:?} {:?}",
                case.stage, case.case, case.input, case.labels, case.line
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
