//! promtool's unit tests of rules: series go in at their times, groups are evaluated as often as the file says, and what comes
//! of them is compared. Follows promtool's `unittest.go`, its texts included.

mod compare;
mod series;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{ConfigErrors, NameValidation, Problem, RuleTestGroup, RuleTests};
use model::{ManualClock, Timestamp};
use promql::engine::{Engine, EngineOptions};

use crate::group::{Environment, Group, GroupSettings};
use crate::language::Language;
use crate::notify::NoNotify;
use crate::query::Queries;

use store::{TestQueries, TestStore};

/// What came of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestReport {
    /// What is not as expected; empty where all is well.
    pub failures: Vec<String>,
    /// Patterns of `rule_files` that name no file.
    pub unmatched: Vec<String>,
    /// Test groups that were run.
    pub groups: usize,
}

/// Runs the tests of a file. `run` limits them to groups whose name it accepts.
pub fn run_file(path: &Path, run: &dyn Fn(&str) -> bool) -> TestReport {
    match std::fs::read_to_string(path) {
        Ok(text) => run_text(&text, path, run),
        Err(error) => TestReport { failures: vec![format!("{}: {error}", path.display())], ..TestReport::default() },
    }
}

/// As [`run_file`] for a text; `path` names it and is where relative paths start.
pub fn run_text(text: &str, path: &Path, run: &dyn Fn(&str) -> bool) -> TestReport {
    let mut report = TestReport::default();
    let tests = match config::load_rule_tests(text, path) {
        Ok(loaded) => loaded.config,
        Err(errors) => {
            report.failures = errors.0.iter().map(Problem::to_string).collect();
            return report;
        }
    };
    let files = rule_files(&tests, path, &mut report.unmatched);
    for (index, test) in tests.tests.iter().enumerate().filter(|(_, test)| run(&test.name)) {
        report.groups += 1;
        let result = groups(&files, test).and_then(|groups| Run::new(&tests, test, index, groups));
        match result {
            Ok(mut run) => run.all(&mut report.failures),
            Err(errors) => report.failures.extend(errors),
        }
    }
    report
}

fn rule_files(tests: &RuleTests, path: &Path, unmatched: &mut Vec<String>) -> Vec<PathBuf> {
    let base = path.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    for pattern in &tests.rule_files {
        let found = config::expand_pattern(&base.join(pattern));
        if found.is_empty() {
            unmatched.push(base.join(pattern).display().to_string());
        }
        files.extend(found);
    }
    files
}

/// The groups of all files. As in promtool, a group's own interval does not count.
fn groups(files: &[PathBuf], test: &RuleTestGroup) -> Result<Vec<Group>, Vec<String>> {
    let rules = crate::file::load(files, NameValidation::default(), Language::Promql).map_err(|error| match error {
        crate::RulesError::Files(ConfigErrors(problems)) => problems.iter().map(Problem::to_string).collect(),
        other => vec![other.to_string()],
    })?;
    let settings =
        rules.files.iter().flat_map(|file| GroupSettings::of_file(file, Language::Promql, test.interval.ms(), 0));
    Ok(settings.map(|settings| Group::new(settings, true)).collect())
}

/// One test group on its way.
struct Run<'a> {
    tests: &'a RuleTests,
    test: &'a RuleTestGroup,
    start: Timestamp,
    groups: Vec<Group>,
    store: Arc<TestStore>,
    queries: Arc<dyn Queries>,
    environment: Environment,
}

impl<'a> Run<'a> {
    fn new(
        tests: &'a RuleTests,
        test: &'a RuleTestGroup,
        index: usize,
        mut groups: Vec<Group>,
    ) -> Result<Self, Vec<String>> {
        let order = |group: &Group| {
            let name = &group.settings().config.name;
            tests.group_eval_order.iter().position(|known| known == name).unwrap_or(0)
        };
        groups.sort_by_key(order);
        let start = series::start(test).map_err(|error| vec![error])?;
        let store = TestStore::load(test, start).map_err(|error| vec![format!("test group {index}: {error}")])?;
        let store = Arc::new(store);
        let engine = Engine::new(EngineOptions {
            no_step_subquery_interval_ms: tests.evaluation_interval.ms(),
            ..EngineOptions::default()
        });
        let queries: Arc<dyn Queries> = Arc::new(TestQueries { store: store.clone(), engine });
        let environment = Environment {
            queries: queries.clone(),
            states: store.clone(),
            sink: store.clone(),
            notifier: Arc::new(NoNotify),
            clock: Arc::new(ManualClock::new(start)),
            external_labels: test.external_labels.clone().into_iter().collect(),
            external_url: test.external_url.clone(),
            resend_delay_ms: 0,
            outage_tolerance_ms: 0,
            for_grace_period_ms: 0,
            metrics: Arc::default(),
        };
        Ok(Run { tests, test, start, groups, store, queries, environment })
    }

    fn all(&mut self, failures: &mut Vec<String>) {
        let before = failures.len();
        self.evaluate(failures);
        // A rule that cannot be evaluated ends the test.
        let broken = failures.len() > before && self.groups.iter().any(|group| group.errors().next().is_some());
        if !broken {
            self.expressions(failures);
        }
    }

    fn evaluate(&mut self, failures: &mut Vec<String>) {
        let interval = self.tests.evaluation_interval.ms().max(1);
        let alerts = self.test.alert_rule_test.iter().map(|case| case.eval_time);
        let exprs = self.test.promql_expr_test.iter().map(|case| case.eval_time);
        let last = alerts.clone().chain(exprs).max().unwrap_or_default().ms();
        let mut times: Vec<i64> = alerts.map(config::Millis::ms).collect();
        times.sort_unstable();
        times.dedup();
        let mut times = times.into_iter().peekable();
        let mut since = 0;
        while since <= last {
            let at = self.start.plus_ms(since);
            if let Err(error) = self.store.advance(at) {
                failures.push(error);
            }
            let mut broken = false;
            for group in &mut self.groups {
                group.evaluate(&self.environment, at);
                for (rule, error) in group.errors() {
                    let time = go_duration(at.ms());
                    failures.push(format!("    rule: {rule}, time: {time}, err: {error}"));
                    broken = true;
                }
            }
            if broken {
                return;
            }
            while let Some(time) = times.next_if(|time| *time < since + interval) {
                for case in self.test.alert_rule_test.iter().filter(|case| case.eval_time.ms() == time) {
                    let firing = self.groups.iter().flat_map(Group::alerts);
                    failures.extend(compare::alerts(&self.test.name, case, firing));
                }
            }
            since += interval;
        }
    }

    fn expressions(&self, failures: &mut Vec<String>) {
        for case in &self.test.promql_expr_test {
            let at = self.start.plus_ms(case.eval_time.ms());
            let got = self.queries.vector(&case.expr, at);
            failures.extend(compare::samples(case, got, self.tests.fuzzy_compare));
        }
    }
}

/// A duration as Go prints it: `1m30s`, `1h0m0s`.
fn go_duration(ms: i64) -> String {
    gotemplate::time::duration::text(ms * 1_000_000)
}

/// Labels by name, for comparing.
fn labels_of(pairs: &BTreeMap<String, String>) -> model::Labels {
    model::Labels::from_pairs(pairs)
}
