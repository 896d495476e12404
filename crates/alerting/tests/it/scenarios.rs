//! Black-box cases as data (`tests/cases/*.yaml`): what Alertmanager's acceptance tests say of time and content. They run here in
//! virtual time; `live.rs` runs the same files against a real Alertmanager.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use alerting::{Outcome, Report, Silence, SilenceMatcher};
use model::Timestamp;
use serde::Deserialize;

use crate::world::{Fate, START, World, load};

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) config: String,
    pub(crate) steps: Vec<Step>,
    /// By hook; of Alertmanager too, unless `expect_here` says what is meant to be different here.
    pub(crate) expect: BTreeMap<String, Vec<Expected>>,
    #[serde(default)]
    pub(crate) expect_here: Option<BTreeMap<String, Vec<Expected>>>,
    /// Seconds from the start in which nothing is told.
    #[serde(default)]
    pub(crate) start_delay: Option<f64>,
    /// Seconds after which it is over.
    pub(crate) until: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Step {
    pub(crate) at: f64,
    pub(crate) post: Vec<Posted>,
    pub(crate) silence: Option<PostedSilence>,
    /// Ends the silence that was made as the n-th.
    pub(crate) unsilence: Option<usize>,
    pub(crate) reload: bool,
    pub(crate) fail: Option<Fail>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Posted {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) starts: Option<f64>,
    pub(crate) ends: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PostedSilence {
    pub(crate) matchers: Vec<SilenceMatcher>,
    pub(crate) starts: f64,
    pub(crate) ends: f64,
}

/// A hook answers so until a time; status 0 is no answer.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Fail {
    pub(crate) hook: String,
    pub(crate) status: u16,
    pub(crate) until: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Expected {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) alerts: Vec<Posted>,
}

/// A message that a hook took: when, and alerts with seconds since the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) at: f64,
    pub(crate) alerts: Vec<Posted>,
}

pub(crate) fn cases() -> Vec<(PathBuf, Case)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        let case = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file, case)
    };
    files.into_iter().map(read).collect()
}

/// What is not as expected. Times may differ by `tolerance` seconds.
pub(crate) fn compare(
    expect: &BTreeMap<String, Vec<Expected>>,
    taken: &BTreeMap<String, Vec<Taken>>,
    tolerance: f64,
) -> Vec<String> {
    let mut problems = Vec::new();
    let none = Vec::new();
    for (hook, expected) in expect {
        let found = taken.get(hook).unwrap_or(&none);
        let mut found = found.iter();
        for want in expected {
            let Some(got) = found.next() else {
                problems.push(format!("{hook}: nothing came between {} and {}", want.from, want.to));
                continue;
            };
            if got.at < want.from - tolerance || got.at > want.to + tolerance {
                problems.push(format!("{hook}: came at {} instead of {} to {}: {got:?}", got.at, want.from, want.to));
            }
            let same = |a: &Posted, b: &Posted| {
                let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
                    (Some(a), Some(b)) => (a - b).abs() <= tolerance.max(0.005),
                    (a, b) => a.is_none() == b.is_none(),
                };
                a.labels == b.labels
                    && a.annotations == b.annotations
                    && near(a.starts, b.starts)
                    && near(a.ends, b.ends)
            };
            let fits = want.alerts.len() == got.alerts.len()
                && want.alerts.iter().all(|alert| got.alerts.iter().any(|other| same(alert, other)));
            if !fits {
                problems.push(format!("{hook}: at {} came {:#?} instead of {:#?}", got.at, got.alerts, want.alerts));
            }
        }
        problems.extend(found.map(|more| format!("{hook}: nobody expected {more:?}")));
    }
    problems
}

fn run(case: &Case) -> BTreeMap<String, Vec<Taken>> {
    let file = load(&case.config);
    let mut hooks = BTreeMap::new();
    for receiver in &file.receivers {
        for integration in &receiver.integrations {
            let hook = integration.settings.text("url").rsplit('/').next().unwrap().to_owned();
            hooks.insert(format!("{}/{}[{}]", receiver.name, integration.kind, integration.index), hook);
        }
    }
    let mut world = World::new(&case.config);
    let delayed = |config: &str| {
        let mut setup = (*crate::world::setup(config)).clone();
        setup.not_before = case.start_delay.map_or(Timestamp::MIN, |delay| Timestamp(START + (delay * 1000.0) as i64));
        Arc::new(setup)
    };
    world.engine.reload(delayed(&case.config), Timestamp(world.now));
    let fails: Rc<RefCell<Vec<Fail>>> = Rc::default();
    let (known, hook_of) = (fails.clone(), hooks.clone());
    world.answers = Box::new(move |delivery, now| {
        let at = (now - START) as f64 / 1000.0;
        let hook = &hook_of[&delivery.item.to.to_string()];
        let fails = known.borrow();
        match fails.iter().find(|fail| fail.hook == *hook && at < fail.until) {
            Some(fail) => Outcome::Retry { after_ms: None, reason: fail.status.to_string() },
            None => Outcome::Delivered(BTreeMap::new()),
        }
    });
    let time = |seconds: f64| Timestamp(START + (seconds * 1000.0).round() as i64);
    let mut silences = Vec::new();
    for step in &case.steps {
        world.until(step.at);
        let now = Timestamp(world.now);
        if let Some(fail) = &step.fail {
            fails.borrow_mut().push(fail.clone());
        }
        let reports = step.post.iter().map(|posted| Report {
            labels: posted.labels.clone(),
            annotations: posted.annotations.clone(),
            starts_at: posted.starts.map(time),
            ends_at: posted.ends.map(time),
            generator_url: String::new(),
        });
        let errors = world.put(reports.collect());
        assert!(errors.is_empty(), "{errors:?}");
        if let Some(posted) = &step.silence {
            let silence = Silence {
                id: String::new(),
                matchers: posted.matchers.clone(),
                starts_at: time(posted.starts),
                ends_at: time(posted.ends),
                updated_at: now,
                created_by: "test".to_owned(),
                comment: "test".to_owned(),
                ..Silence::default()
            };
            silences.push(world.engine.set_silence(silence, now).unwrap());
        }
        if let Some(number) = step.unsilence {
            world.engine.expire_silence(&silences[number], now).unwrap();
        }
        if step.reload {
            world.engine.reload(delayed(&case.config), now);
        }
        world.settle();
    }
    world.until(case.until);
    let mut taken: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
    for message in world.messages.iter().filter(|message| message.fate == Fate::Taken) {
        let alerts = message.alerts.iter().map(|heard| Posted {
            labels: heard.labels.clone(),
            annotations: heard.annotations.clone(),
            starts: Some(heard.starts_at),
            ends: heard.resolved.then_some(heard.ends_at),
        });
        let message_taken = Taken { at: message.at, alerts: alerts.collect() };
        taken.entry(hooks[&message.integration].clone()).or_default().push(message_taken);
    }
    taken
}

#[test]
fn in_virtual_time() {
    let cases = cases();
    assert!(cases.len() >= 17, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for (file, case) in cases {
        let expect = case.expect_here.as_ref().unwrap_or(&case.expect);
        let problems = compare(expect, &run(&case), 0.01);
        if !problems.is_empty() {
            failures.push(format!("{}:\n  {}", file.display(), problems.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
