//! Queries that want too much: a clear error within the memory that they may take, and nothing of it left afterwards.

use std::sync::Arc;
use std::time::Duration;

use logql::{Direction, Engine, EngineOptions, QueryContext, QueryError, RangeParams};
use model::{Labels, MemoryPool};

use crate::memory::{Entry, Help, MemorySource};

const SECOND: i64 = 1_000_000_000;
const POOL: usize = 1 << 20;

fn source() -> MemorySource {
    let line = |n: i64| format!("{{\"id\":\"{n:06}\",\"n\":{n},\"text\":\"{}\"}}", "x".repeat(40)).into_bytes();
    let entries: Vec<Entry> = (0..20_000).map(|n| (n * SECOND / 100, line(n), Vec::new())).collect();
    MemorySource::new(vec![(Labels::from_pairs([("app", "a")]), entries)], 2000, Help::Columns)
}

struct Asker {
    source: MemorySource,
    pool: Arc<MemoryPool>,
    engine: Engine,
}

impl Asker {
    fn new() -> Asker {
        let pool = MemoryPool::new(POOL, POOL, None);
        let options =
            EngineOptions { memory: pool.clone(), timeout: Duration::from_secs(60), ..EngineOptions::default() };
        Asker { source: source(), pool, engine: Engine::new(options) }
    }

    fn ask(&self, query: &str, step: i64, limit: usize) -> Result<usize, String> {
        let params =
            RangeParams { start: 0, end: 200 * SECOND, step, interval: 0, limit, direction: Direction::Backward };
        let query = logql::parse(query).map_err(|error| error.to_string())?;
        let result = self.engine.query_range(&self.source, &QueryContext::default(), &query, &params);
        let answer = match result {
            Ok(result) => Ok(result.stats.entries_returned as usize),
            Err(QueryError::Memory(error)) => Err(format!("memory: {error}")),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(self.pool.used(), 0, "everything is given back");
        answer
    }

    /// A question that is answered, as it was before.
    fn is_well(&self) -> bool {
        self.ask("sum(count_over_time({app=\"a\"} | json | n < 100 [200s]))", 200 * SECOND, 100) == Ok(2)
    }
}

#[test]
fn what_takes_too_much_memory_ends_with_an_error() {
    let asker = Asker::new();
    for (query, limit) in [
        ("sum by (id) (count_over_time({app=\"a\"} | json [1s]))", 100),
        ("count_over_time({app=\"a\"} | json [200s])", 100),
        ("rate_counter({app=\"a\"} | json | label_format app=id | unwrap n [200s])", 100),
        ("{app=\"a\"}", 0),
        ("{app=\"a\"} | line_format `{{ repeat 5000 \"x\" }}`", 0),
        ("{app=\"a\"} | json | label_format big=`{{ repeat 900 \"y\" }}{{ .id }}`", 0),
    ] {
        let answer = asker.ask(query, SECOND, limit);
        assert!(answer.as_ref().is_err_and(|error| error.starts_with("memory: ")), "{query}: {answer:?}");
        assert!(asker.is_well(), "after {query}");
    }
}

#[test]
fn what_is_too_large_by_itself_is_refused() {
    let asker = Asker::new();
    let regex = format!("{{app=\"a\"}} |~ `{}`", "(a{1000}){1000}");
    let nested = format!("{}{{app=\"a\"}}{}", "sum(".repeat(5000), ")".repeat(5000));
    let parentheses = format!("{}1{}", "(".repeat(50_000), ")".repeat(50_000));
    for (query, step, wanted) in [
        (regex.as_str(), SECOND, "stage"),
        (nested.as_str(), SECOND, "parse error"),
        (parentheses.as_str(), SECOND, "parse error"),
        ("rate({app=\"a\"}[1s])", 1000, "exceeded maximum resolution"),
    ] {
        let answer = asker.ask(query, step, 100);
        let told = answer.as_ref().err().map(|error| error.chars().take(200).collect::<String>());
        assert!(told.as_ref().is_some_and(|error| error.contains(wanted)), "{told:?} for {wanted}");
        assert!(asker.is_well());
    }
}

#[test]
fn what_only_looks_dangerous_is_answered() {
    let asker = Asker::new();
    let labels = format!("{{app=\"a\"}} | json{}", " | n >= 0".repeat(500));
    let sum = format!("1{}", " + 1".repeat(500));
    for query in [
        // A range of a century, and one that reaches before all time.
        "sum(count_over_time({app=\"a\"}[36500d]))",
        "sum(count_over_time({app=\"a\"}[5m] offset 36500d)) or vector(0)",
        "{app=\"a\"} |~ `(x+x+)+y`",
        labels.as_str(),
        sum.as_str(),
    ] {
        let answer = asker.ask(query, 10 * SECOND, 10);
        assert!(answer.is_ok(), "{answer:?} for {}", query.chars().take(100).collect::<String>());
    }
    assert!(asker.is_well());
}
