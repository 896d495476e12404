//! Requests with the answers of a real Prometheus (`data/cases.jsonl`, recorded by `data/record.py`).

use axum::body::Body;
use serde::Deserialize;
use serde_json::Value;

use crate::support::{Answer, App, request};

const CASES: &str = include_str!("data/cases.jsonl");

#[derive(Deserialize)]
struct Case {
    name: String,
    path: String,
    method: Option<String>,
    form: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    status: u16,
    json: Option<Value>,
    text: Option<String>,
    /// The order of the result matters.
    #[serde(default)]
    ordered: bool,
    /// Which series come first is not defined, only how many.
    #[serde(default)]
    count_only: bool,
    /// The error's text is compared up to here; what follows depends on the order of series.
    error_until: Option<String>,
    /// The answer may have more fields.
    #[serde(default)]
    contains: bool,
}

#[tokio::test]
async fn answers_are_those_of_prometheus() {
    let app = App::new();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in CASES.lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        count += 1;
        let default = if case.form.is_some() { "POST" } else { "GET" };
        let mut builder = request(case.method.as_deref().unwrap_or(default), &case.path);
        for (name, value) in &case.headers {
            builder = builder.header(name, value);
        }
        let body = case.form.clone().map_or_else(Body::empty, Body::from);
        let answer = app.send(builder.body(body).unwrap()).await;
        if let Err(difference) = compare(&case, &answer) {
            wrong.push(format!("{}: {}\n  {difference}", case.name, case.path));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn compare(case: &Case, answer: &Answer) -> Result<(), String> {
    if answer.status.as_u16() != case.status {
        return Err(format!("status {} instead of {}: {}", answer.status, case.status, answer.text()));
    }
    if let Some(text) = &case.text {
        return if answer.text() == *text { Ok(()) } else { Err(format!("{:?} instead of {text:?}", answer.text())) };
    }
    let mut expected = case.json.clone().expect("a case has text or JSON");
    let mut found = answer.json();
    if case.count_only {
        expected["data"] = expected["data"].as_array().map(Vec::len).into();
        found["data"] = found["data"].as_array().map(Vec::len).into();
    }
    if let Some(end) = &case.error_until {
        for answer in [&mut expected, &mut found] {
            let text = answer["error"].as_str().and_then(|e| e.split(end.as_str()).next()).map(str::to_owned);
            answer["error"] = text.into();
        }
    }
    if !case.ordered {
        sort_results(&mut expected);
        sort_results(&mut found);
    }
    let same = if case.contains { contains(&found, &expected) } else { found == expected };
    if same { Ok(()) } else { Err(format!("{found}\n  instead of\n  {expected}")) }
}

/// Prometheus gives vectors and series in the order of its index.
fn sort_results(answer: &mut Value) {
    for path in ["/data/result", "/data"] {
        if let Some(list) = answer.pointer_mut(path).and_then(Value::as_array_mut)
            && list.iter().all(Value::is_object)
        {
            list.sort_by_key(|entry| entry.to_string());
        }
    }
}

fn contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|f| contains(f, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| contains(f, e))
        }
        _ => found == expected,
    }
}
