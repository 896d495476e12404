//! Queries: any text parses or is refused, what parses prints and parses again, and what evaluates ends in time.
#![no_main]

use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use model::{Labels, Sample, Timestamp};
use promql::engine::{Engine, EngineOptions, QueryContext};
use promql::testing::MemorySource;

fn source() -> &'static MemorySource {
    static SOURCE: OnceLock<MemorySource> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let mut source = MemorySource::new();
        for (name, job, step) in [("m_total", "a", 1.0), ("m_total", "b", 2.5), ("g", "a", -0.5)] {
            let labels = Labels::from_pairs([("__name__", name), ("job", job), ("le", "1")]);
            let samples = (0..40).map(|i| Sample::float(Timestamp(i * 15_000), f64::from(i as u8) * step));
            source.append(&labels, samples).expect("samples in order");
        }
        source
    })
}

fuzz_target!(|text: &str| {
    let options = promql::parser::ParseOptions::default();
    let Ok(expr) = promql::parser::parse(text, &options) else { return };
    let printed = expr.to_string();
    let again = promql::parser::parse(&printed, &options).expect("what is printed parses");
    assert_eq!(again.to_string(), printed);
    promql::prettify(&expr);
    promql::ast_to_json(&expr);
    let options = EngineOptions { timeout: Duration::from_secs(2), max_samples: 200_000, ..EngineOptions::default() };
    let engine = Engine::new(options);
    let context = QueryContext::default();
    let _ = engine.instant(source(), &context, text, Timestamp(300_000));
    let _ = engine.range(source(), &context, text, Timestamp(0), Timestamp(600_000), 30_000);
});
