//! Stages that let lines through or not: `drop`, `limit`, `sampling`.

use std::sync::Arc;

use config::promtail::{DropStage, LimitStage, SamplingStage};
use hashbrown::HashMap;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use regex::bytes::Regex;

use super::Flow;
use super::measure::{Dropped, Measures};
use super::patterns::{as_go_sees, compile};
use crate::entry::Entry;

const NANOS: f64 = 1e9;

/// `drop`.
#[derive(Debug)]
pub(crate) struct DropStep {
    config: DropStage,
    regex: Option<Regex>,
    older_than: Option<i64>,
    dropped: Dropped,
}

impl DropStep {
    pub(super) fn new(config: &DropStage, measures: &Arc<Measures>) -> Result<Self, String> {
        let regex = match (&config.expression, &config.value) {
            (Some(expression), _) => Some(compile(expression)?),
            (None, Some(value)) => Some(compile(&format!("^{}$", regex::escape(value)))?),
            (None, None) => None,
        };
        Ok(DropStep {
            regex,
            older_than: config.older_than.map(|age| age.ms().saturating_mul(1_000_000)),
            dropped: Dropped::new(measures, &config.drop_counter_reason),
            config: config.clone(),
        })
    }

    /// True where everything that is configured holds.
    pub(super) fn drops(&self, entry: &Entry<'_>, now: i64) -> bool {
        let config = &self.config;
        if config.longer_than.is_some_and(|size| entry.line.len() as u64 <= size.bytes()) {
            return false;
        }
        if self.older_than.is_some_and(|age| entry.timestamp >= now.saturating_sub(age)) {
            return false;
        }
        let holds = match (&self.regex, config.source.is_empty()) {
            (None, true) => true,
            (None, false) => config.source.iter().all(|source| entry.extracted.has(source)),
            (Some(regex), true) => regex.is_match(&as_go_sees(std::borrow::Cow::Borrowed(&entry.line))),
            (Some(regex), false) => {
                let mut joined = Vec::new();
                let given = config.source.iter().filter(|source| entry.extracted.has(source));
                for (count, source) in given.enumerate() {
                    let Some(value) = entry.extracted.bytes(source) else { return false };
                    if count > 0 {
                        joined.extend_from_slice(config.separator.as_bytes());
                    }
                    joined.extend_from_slice(&value);
                }
                regex.is_match(&as_go_sees(joined.into()))
            }
        };
        if holds {
            self.dropped.count();
        }
        holds
    }
}

/// A bucket of tokens that fills with time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at: i64,
}

impl Bucket {
    pub(crate) fn full(burst: u64, now: i64) -> Self {
        Bucket { tokens: burst as f64, at: now }
    }

    fn fill(&mut self, rate: f64, burst: u64, now: i64) {
        let elapsed = now.saturating_sub(self.at).max(0) as f64 / NANOS;
        self.at = self.at.max(now);
        self.tokens = (self.tokens + elapsed * rate).min(burst as f64);
    }

    /// Takes a token if there is one.
    pub(crate) fn allow(&mut self, rate: f64, burst: u64, now: i64) -> bool {
        self.fill(rate, burst, now);
        let is_there = self.tokens >= 1.0;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }

    /// Takes a token, be it one that is yet to come; answers the nanoseconds until then.
    pub(crate) fn reserve(&mut self, rate: f64, burst: u64, now: i64) -> i64 {
        self.fill(rate, burst, now);
        self.tokens -= 1.0;
        if self.tokens >= 0.0 { 0 } else { (-self.tokens / rate * NANOS) as i64 }
    }
}

/// `limit`. All targets of a job share the limit.
#[derive(Debug)]
pub(crate) struct LimitStep {
    config: LimitStage,
    buckets: Mutex<HashMap<String, Bucket>>,
    dropped: Dropped,
}

impl LimitStep {
    pub(super) fn new(config: &LimitStage, measures: &Arc<Measures>) -> Self {
        LimitStep {
            config: config.clone(),
            buckets: Mutex::default(),
            dropped: Dropped::new(measures, "ratelimit_drop_stage"),
        }
    }

    pub(super) fn apply(&self, entry: &Entry<'_>, now: i64) -> Flow {
        let config = &self.config;
        let value = match &config.by_label_name {
            Some(name) => match entry.labels.get(name) {
                Some(value) => value,
                None => return Flow::Next,
            },
            None => "",
        };
        let mut buckets = self.buckets.lock();
        if !buckets.contains_key(value) {
            if buckets.len() as u64 >= config.max_distinct_labels {
                buckets.clear();
            }
            buckets.insert(value.to_owned(), Bucket::full(config.burst, now));
        }
        let Some(bucket) = buckets.get_mut(value) else { return Flow::Next };
        if !config.drop {
            return match bucket.reserve(config.rate, config.burst, now) {
                0 => Flow::Next,
                wait => Flow::Pause(wait),
            };
        }
        if bucket.allow(config.rate, config.burst, now) {
            return Flow::Next;
        }
        self.dropped.count();
        if let Some(name) = &config.by_label_name {
            self.dropped.count_by_label(name, value);
        }
        Flow::Gone
    }
}

/// `sampling`.
#[derive(Debug)]
pub(crate) struct SamplingStep {
    rate: f64,
    random: Mutex<StdRng>,
    dropped: Dropped,
}

impl SamplingStep {
    pub(super) fn new(config: &SamplingStage, measures: &Arc<Measures>) -> Self {
        SamplingStep {
            rate: config.rate,
            random: Mutex::new(StdRng::seed_from_u64(0x5eed)),
            dropped: Dropped::new(measures, &config.drop_counter_reason),
        }
    }

    pub(super) fn keeps(&self) -> bool {
        let keeps = self.rate >= 1.0 || self.random.lock().random::<f64>() < self.rate;
        if !keeps {
            self.dropped.count();
        }
        keeps
    }
}
