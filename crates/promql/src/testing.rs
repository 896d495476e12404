//! Prometheus' test language for PromQL (`promqltest`, the `.test` files): loads series, evaluates queries, compares.
//!
//! Every instant evaluation is run several times, as Prometheus does: also with `@` pinned to the evaluation time and asked
//! at other times, and each of those also as the middle step of a range query. A case passes if all of them agree.

mod compare;
mod memory;
mod nhcb;
mod notation;
mod run;
mod script;
mod variants;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

pub use memory::MemorySource;
pub use notation::describe as describe_histogram;

use crate::engine::{Engine, EngineOptions};

/// Why a test script cannot be followed.
#[derive(Debug, Error)]
pub enum TestingError {
    /// A line is not of the language.
    #[error("line {line}: {message}")]
    Script {
        /// Line number from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Samples of a series must be added in order of time.
    #[error("out of order sample for {series} at {timestamp} ms")]
    OutOfOrder {
        /// The series.
        series: String,
        /// Time of the sample in milliseconds.
        timestamp: i64,
    },
    /// Classic buckets that make no histogram.
    #[error("cannot convert classic histogram {series} at {timestamp} ms: {message}")]
    ClassicHistogram {
        /// The series.
        series: String,
        /// Time of the sample in milliseconds.
        timestamp: i64,
        /// What is wrong.
        message: String,
    },
}

/// A case that did not come out as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Line of the script, from 1.
    pub line: usize,
    /// The query as evaluated (perhaps with `@` added), or the command that failed.
    pub expr: String,
    /// What the script wants.
    pub expected: String,
    /// What was found instead.
    pub got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}\n  expected: {}\n       got: {}", self.line, self.expr, self.expected, self.got)
    }
}

/// What came of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Evaluations that came out as expected.
    pub passed: usize,
    /// Evaluations and commands that did not.
    pub failed: usize,
    /// One entry for each that failed.
    pub failures: Vec<Failure>,
}

impl Report {
    /// True where nothing failed.
    pub fn is_ok(&self) -> bool {
        self.failed == 0
    }

    fn fail(&mut self, failure: Failure) {
        self.failed += 1;
        self.failures.push(failure);
    }
}

/// The engine that Prometheus' own suite assumes: delayed removal of names, start timestamps, 5 minutes of lookback, one
/// minute as the step of subqueries, at most 10,000 samples.
pub fn suite_engine() -> Engine {
    Engine::new(EngineOptions {
        lookback_delta_ms: 5 * 60 * 1000,
        max_samples: 10_000,
        memory: model::MemoryPool::unlimited(),
        timeout: Duration::from_secs(100),
        no_step_subquery_interval_ms: 60 * 1000,
        delayed_name_removal: true,
        use_start_timestamps: true,
        type_and_unit_labels: false,
        parse: crate::parser::ParseOptions::default(),
    })
}

/// Runs a script from its text.
pub fn run_text(text: &str, engine: &Engine) -> Report {
    run::run(text, engine)
}

/// Runs a script from a file.
pub fn run_file(path: &Path, engine: &Engine) -> io::Result<Report> {
    Ok(run_text(&std::fs::read_to_string(path)?, engine))
}
