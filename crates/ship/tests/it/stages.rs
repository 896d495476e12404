//! Every stage by cases in `tests/cases/stages.yaml`, and the metrics that stages make.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use config::Environment;
use config::promtail::StageConfig;
use model::{ManualClock, Timestamp};
use prometheus_client::registry::Registry;
use serde::Deserialize;
use ship::Stamps;
use ship::entry::{BaseLabels, Entry};
use ship::pipeline::{Pipeline, PipelineContext};

const NOW: i64 = 1_700_000_000_000;

#[derive(Deserialize)]
struct Case {
    name: String,
    stages: String,
    r#in: Vec<String>,
    out: Vec<Out>,
    #[serde(default)]
    dropped: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Out {
    line: String,
    labels: BTreeMap<String, String>,
    time: Option<i64>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

fn stages(text: &str) -> Vec<StageConfig> {
    let indented: String = text.lines().map(|line| format!("      {line}\n")).collect();
    let config = format!("scrape_configs:\n  - job_name: t\n    pipeline_stages:\n{indented}");
    let loaded = config::load_promtail_text(&config, Path::new("case.yaml"), &Environment::default());
    loaded.unwrap_or_else(|errors| panic!("{errors}\n{config}")).config.scrape_configs.remove(0).pipeline_stages
}

fn context() -> PipelineContext {
    PipelineContext::new(Arc::new(Stamps::new(Arc::new(ManualClock::new(Timestamp(NOW))))), Arc::default())
}

fn run(pipeline: &mut Pipeline, lines: &[String]) -> Vec<Out> {
    let base = BaseLabels::new([("app", "web")]);
    let mut found = Vec::new();
    let mut keep = |entry: Entry<'_>| {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        found.push(Out {
            line: String::from_utf8_lossy(&entry.line).into_owned(),
            labels: entry.labels.pairs().into_iter().map(owned).collect(),
            time: Some(entry.timestamp),
            metadata: entry.metadata.iter().map(|(name, value)| owned((name, value))).collect(),
        });
    };
    for (at, line) in lines.iter().enumerate() {
        pipeline.run(Entry::new(&base, NOW * 1_000_000 + at as i64, line.as_bytes(), at as u64), &mut keep);
    }
    pipeline.tick(true, &mut keep);
    found
}

#[test]
fn stages_do_what_promtails_do() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/stages.yaml")).unwrap();
    let cases: Vec<Case> = serde_saphyr::from_str(&text).unwrap();
    assert!(cases.len() >= 25);
    let mut failures = Vec::new();
    for case in cases {
        let context = context();
        let mut pipeline = match Pipeline::new(&stages(&case.stages), &context) {
            Ok(pipeline) => pipeline,
            Err(problems) => {
                failures.push(format!("{}: {problems:?}", case.name));
                continue;
            }
        };
        let mut found = run(&mut pipeline, &case.r#in);
        for (found, expected) in found.iter_mut().zip(&case.out) {
            if expected.time.is_none() {
                found.time = None;
            }
        }
        if found != case.out {
            failures.push(format!("{}:\n  expected {:#?}\n  found {:#?}", case.name, case.out, found));
        }
        for (reason, count) in &case.dropped {
            let dropped = context.measures.dropped(reason);
            if dropped != *count {
                failures.push(format!("{}: {reason} counts {dropped}, expected {count}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn metrics_stages_count_under_the_names_given() {
    let text = r#"
- json: {expressions: {ms: , level: }}
- metrics:
    lines_total: {type: Counter, config: {match_all: true, action: inc}}
    bytes: {type: Counter, prefix: my_, config: {match_all: true, count_entry_bytes: true, action: add}}
    errors_total: {type: Counter, source: level, config: {value: error, action: inc}}
    last: {type: Gauge, source: ms, config: {action: set}}
    spent: {type: Histogram, source: ms, config: {buckets: [1, 10]}}
"#;
    let context = context();
    let mut pipeline = Pipeline::new(&stages(text), &context).unwrap();
    let lines = [r#"{"ms":5,"level":"error"}"#, r#"{"ms":"0.5","level":"info"}"#, r#"{"ms":"2s"}"#];
    run(&mut pipeline, &lines.map(str::to_owned));
    let mut registry = Registry::default();
    context.measures.register(&mut registry);
    let mut shown = String::new();
    prometheus_client::encoding::text::encode(&mut shown, &registry).unwrap();
    for expected in [
        "promtail_custom_lines_total{app=\"web\"} 3",
        "promtail_custom_errors_total{app=\"web\"} 1",
        "promtail_custom_last{app=\"web\"} 2",
        "promtail_custom_spent_bucket{le=\"1.0\",app=\"web\"} 1",
        "promtail_custom_spent_bucket{le=\"10.0\",app=\"web\"} 3",
        "promtail_custom_spent_count{app=\"web\"} 3",
        "my_bytes{app=\"web\"} ",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    context.measures.expire(i64::MAX);
    let mut shown = String::new();
    prometheus_client::encoding::text::encode(&mut shown, &registry).unwrap();
    assert!(!shown.contains("promtail_custom_last{"), "{shown}");
}

#[test]
fn a_limit_that_waits_says_how_long() {
    let mut pipeline = Pipeline::new(&stages("- limit: {rate: 10, burst: 1}"), &context()).unwrap();
    run(&mut pipeline, &["a".into()]);
    assert_eq!(pipeline.take_pause(), None);
    run(&mut pipeline, &["b".into(), "c".into()]);
    assert_eq!(pipeline.take_pause(), Some(200_000_000));
}

#[test]
fn what_cannot_be_compiled_is_told_with_its_place() {
    let stages =
        stages("- template: {source: a, template: '{{ nope }}'}\n- match: {selector: '{', stages: [{docker: }]}");
    let problems = Pipeline::new(&stages, &context()).unwrap_err();
    assert_eq!(problems.len(), 2);
    assert_eq!((problems[0].0.line, problems[0].0.column), (4, 9));
    assert_eq!(problems[1].0.key, "scrape_configs[0].pipeline_stages[1].match");
}

#[test]
fn mutated_lines_never_panic() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    let text = r#"
- json: {expressions: {a: , b: c.d, e: 'f[0]'}}
- logfmt: {mapping: {g: }}
- regex: {expression: '(?P<h>\w+)=(?P<i>.*)'}
- replace: {expression: '(\d+)', replace: '{{ .Value }}x'}
- timestamp: {source: a, format: RFC3339}
- eventlogmessage: {source: a}
- decolorize:
- cri:
- multiline: {firstline: '^\{'}
- pack: {labels: [a]}
"#;
    let mut pipeline = Pipeline::new(&stages(text), &context()).unwrap();
    let base = BaseLabels::new([("app", "web")]);
    let good = br#"{"a":"2019-07-09T21:48:36Z","c":{"d":[1,{"x":"\u00e9"}]},"f":["g=1 h=\"2\""]} key="va\"lue" 12"#;
    let mut rng = StdRng::seed_from_u64(1);
    for at in 0..5000 {
        let mut bytes = good.to_vec();
        for _ in 0..rng.random_range(0..6) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        bytes.truncate(rng.random_range(0..=bytes.len()));
        pipeline.run(Entry::new(&base, at, &bytes, 0), &mut |_| {});
    }
}
