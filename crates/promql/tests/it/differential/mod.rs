//! The engine against the real Prometheus 3.5: the same random series, the same random questions, the same answers.
//!
//! Needs `AFFERENT_PEERS`, a directory with `usr/bin/prometheus`. `AFFERENT_DIFF_SEED` chooses other series and questions,
//! `AFFERENT_DIFF_QUERIES` how many. A difference is printed with its seed and round; to look closer, ask another query of the
//! same series: `AFFERENT_DIFF_SEED=1 AFFERENT_DIFF_ROUND=3 AFFERENT_DIFF_ASK='up' AFFERENT_DIFF_AT=start[,end,step]` in ms.

mod compare;
mod compliance;
mod data;
mod known;
mod peer;
mod queries;

use std::path::Path;

use model::Timestamp;
use promql::engine::{Engine, EngineOptions, QueryContext};
use promql::testing::MemorySource;
use rand::SeedableRng;

use crate::generate::Rng;
use compare::{Answer, Tolerance, differences};
use compliance::compliance;
use peer::Peer;
use queries::{Question, When, question};

const FEATURES: &str = "promql-experimental-functions,native-histograms,promql-duration-expr";

/// Questions for one set of series and one Prometheus.
const ROUND: usize = 1000;

fn number_from(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |v| v.parse().unwrap())
}

/// Both sides with the same series.
struct Sides {
    engine: Engine,
    source: MemorySource,
    series: Vec<data::Series>,
    peer: Peer,
}

impl Sides {
    fn new(binary: &Path, rng: &mut Rng, delayed_name_removal: bool) -> Sides {
        let series = data::series(rng);
        let engine = Engine::new(EngineOptions { delayed_name_removal, ..EngineOptions::default() });
        let peer = Sides::start(binary, &engine, &series);
        Sides { engine, source: data::source(&series), series, peer }
    }

    fn start(binary: &Path, engine: &Engine, series: &[data::Series]) -> Peer {
        let delayed = if engine.options().delayed_name_removal { ",promql-delayed-name-removal" } else { "" };
        let mut peer = Peer::start(binary, &format!("{FEATURES}{delayed}"));
        peer.write(series);
        peer
    }

    /// Takes another Prometheus, which has answered nothing yet.
    fn restart(&mut self, binary: &Path) {
        self.peer = Sides::start(binary, &self.engine, &self.series);
    }

    fn ask(&mut self, question: &Question) -> (Answer, Answer) {
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let mut form = vec![("query", question.query.clone())];
        form.extend(question.lookback_ms.map(|ms| ("lookback_delta", seconds(ms))));
        let ctx = QueryContext { lookback_delta_ms: question.lookback_ms, ..QueryContext::default() };
        let (path, ours) = match question.when {
            When::Instant(at) => {
                form.push(("time", seconds(at)));
                ("/api/v1/query", self.engine.instant(&self.source, &ctx, &question.query, Timestamp(at)))
            }
            When::Range(start, end, step) => {
                form.extend([("start", seconds(start)), ("end", seconds(end)), ("step", seconds(step))]);
                let (start, end) = (Timestamp(start), Timestamp(end));
                ("/api/v1/query_range", self.engine.range(&self.source, &ctx, &question.query, start, end, step))
            }
        };
        let theirs = Answer::of_api(&self.peer.ask(path, &form));
        (Answer::of_engine(&question.query, ours), theirs)
    }
}

/// What came of many questions.
#[derive(Default)]
struct Tally {
    asked: usize,
    with_data: usize,
    errors: usize,
    known: usize,
    unsteady: usize,
    unexplained: Vec<String>,
}

impl Tally {
    fn judge(&mut self, binary: &Path, label: &str, question: &Question, sides: &mut Sides, tolerance: Tolerance) {
        let ordered = question.query.starts_with("sort") && matches!(question.when, When::Instant(_));
        let (ours, theirs) = sides.ask(question);
        self.asked += 1;
        self.with_data += usize::from(theirs.has_data());
        self.errors += usize::from(theirs.is_error());
        let found = differences(&ours, &theirs, tolerance, ordered);
        if found.is_empty() {
            return;
        }
        let left = known::unexplained(question, &found);
        if left.is_empty() {
            self.known += 1;
            return;
        }
        // Prometheus goes through series in the order of a hash table here and there, and reads buffers that it has given back:
        // an answer that it does not give again when asked first says nothing.
        sides.restart(binary);
        let agrees = |(ours, theirs): (Answer, Answer)| {
            known::unexplained(question, &differences(&ours, &theirs, tolerance, ordered)).is_empty()
        };
        if (0..5).any(|_| agrees(sides.ask(question))) {
            println!("unsteady answer of Prometheus: {label} {question:?}");
            self.unsteady += 1;
            return;
        }
        let difference = format!("{label} {question:?}\n    {}", left[..left.len().min(4)].join("\n    "));
        println!("{difference}");
        self.unexplained.push(difference);
    }

    fn finish(self, name: &str) {
        println!(
            "{name}: {} questions, {:.1} % with data, {} errors, {} with known differences only, {} unsteady, \
             {} with other differences",
            self.asked,
            100.0 * self.with_data as f64 / self.asked as f64,
            self.errors,
            self.known,
            self.unsteady,
            self.unexplained.len()
        );
        assert!(self.unexplained.is_empty(), "{} answers differ from Prometheus'", self.unexplained.len());
    }
}

/// The question that the environment asks, if any.
fn asked_by_hand() -> Option<Question> {
    let query = std::env::var("AFFERENT_DIFF_ASK").ok()?;
    let times = std::env::var("AFFERENT_DIFF_AT").unwrap();
    let times: Vec<i64> = times.split(',').map(|t| t.parse().unwrap()).collect();
    let when = match times[..] {
        [at] => When::Instant(at),
        [start, end, step] => When::Range(start, end, step),
        _ => panic!("AFFERENT_DIFF_AT is a time, or start,end,step"),
    };
    let lookback_ms = std::env::var("AFFERENT_DIFF_LOOKBACK").ok().map(|v| v.parse().unwrap());
    Some(Question { query, when, lookback_ms })
}

#[test]
fn random_queries() {
    let Some(binary) = peer::binary() else {
        println!("skipped: no Prometheus to compare with; set AFFERENT_PEERS to a directory with usr/bin/prometheus");
        return;
    };
    let seed = number_from("AFFERENT_DIFF_SEED", 1);
    let queries = number_from("AFFERENT_DIFF_QUERIES", 2000) as usize;
    let mut tally = Tally::default();
    let by_hand = asked_by_hand();
    let only_round = by_hand.is_some().then(|| number_from("AFFERENT_DIFF_ROUND", 0) as usize);
    for round in (0..queries.div_ceil(ROUND)).filter(|r| only_round.is_none_or(|only| *r == only)) {
        let mut rng = Rng::seed_from_u64(seed * 1_000_000 + round as u64);
        let delayed_name_removal = round % 2 == 1;
        let mut sides = Sides::new(&binary, &mut rng, delayed_name_removal);
        if let Some(question) = &by_hand {
            let (ours, theirs) = sides.ask(question);
            println!("here  {ours:#?}\nthere {theirs:#?}");
            return;
        }
        for index in 0..ROUND.min(queries - round * ROUND) {
            let question = question(&mut rng);
            let label = format!("seed {seed} round {round} question {index} (delayed names: {delayed_name_removal})");
            tally.judge(&binary, &label, &question, &mut sides, known::tolerance(&question.query));
        }
    }
    let share = tally.with_data as f64 / tally.asked as f64;
    assert!(share > 0.6, "only {:.1} % of the questions have an answer with data", 100.0 * share);
    tally.finish("random queries");
}

#[test]
fn compliance_queries() {
    let Some(binary) = peer::binary() else {
        println!("skipped: no Prometheus to compare with; set AFFERENT_PEERS to a directory with usr/bin/prometheus");
        return;
    };
    let mut sides = Sides::new(&binary, &mut Rng::seed_from_u64(99), false);
    let mut tally = Tally::default();
    let tolerance = Tolerance { relative: 1e-5, absolute: 1e-12 };
    for query in compliance() {
        let (start, end) = (data::START + 3_600_000, data::END - 600_000);
        for when in [When::Range(start, end, 10_000), When::Instant(end)] {
            let question = Question { query: query.clone(), when, lookback_ms: None };
            tally.judge(&binary, "compliance", &question, &mut sides, tolerance);
        }
    }
    assert!(tally.asked > 1000, "only {} questions", tally.asked);
    tally.finish("compliance queries");
}
