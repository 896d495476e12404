//! Entries that nobody expects: lines of megabytes, bytes that are no text, streams by the thousand. They are kept as they came,
//! and the store stays as it was.

use blocks::faults::FaultyDisk;
use logs::{LogLimitTable, LogLimits};
use model::{Labels, LogBatch, LogRejectReason, NanoRange, Tenant};

use crate::support::{NOW, append, labels, open, options, read_set, read_tenant};

#[test]
fn lines_of_megabytes_and_bytes_that_are_no_text_come_back() {
    let disk = FaultyDisk::new(7);
    let (store, _) = open(&disk, options());
    let mut batch = LogBatch::new(Tenant::default());
    let stream = batch.add_stream(labels("a"));
    let long: Vec<u8> = (0..10_000_000_u32)
        .map(|n| b"abcdefgh 0123456789"[(n.wrapping_mul(2_654_435_761) >> 20) as usize % 19])
        .collect();
    let mut lines: Vec<Vec<u8>> = vec![
        long,
        b"{".repeat(3_000_000),
        b"\"a\":".repeat(200_000),
        vec![0xff; 4000],
        b"{\"a\":\"\xff\xfe\",\"b\":\xff}".to_vec(),
        b"\n\n\n".to_vec(),
        Vec::new(),
        vec![0; 100_000],
    ];
    lines.extend(
        (0..400_u32).map(|n| format!("{{\"k{n}\":{n},\"v\":\"{}\"}}", "\u{1F980}".repeat(n as usize % 7)).into_bytes()),
    );
    for (at, line) in lines.iter().enumerate() {
        batch.push(stream, NOW * 1_000_000 + at as i64, line, []);
    }
    assert!(append(&store, batch).unwrap().rejected.is_empty());
    let check = || {
        let (found, warnings) = read_tenant(&store, &Tenant::default()).unwrap();
        let found: Vec<&[u8]> = found[&labels("a")].iter().map(|entry| entry.1.as_slice()).collect();
        assert!(found == lines && warnings.is_empty(), "lines come back as they came");
    };
    check();
    store.flush().unwrap();
    check();
    store.merge_now().unwrap();
    check();
}

#[test]
fn streams_beyond_the_limit_are_refused_and_the_others_go_on() {
    let disk = FaultyDisk::new(8);
    let limits = LogLimits { streams: Some(100), ..LogLimits::default() };
    let table = LogLimitTable { default: limits, ..LogLimitTable::default() };
    let (store, _) = open(&disk, logs::StoreOptions { limits: table, ..options() });
    for round in 0..3 {
        let mut batch = LogBatch::new(Tenant::default());
        for n in 0..2000 {
            let pairs = (0..20).map(|label| (format!("label_{label}"), format!("{n}-{round}-{}", "v".repeat(label))));
            let stream = batch.add_stream(Labels::from_pairs(pairs));
            batch.push(stream, NOW * 1_000_000, b"line", []);
        }
        let report = append(&store, batch).unwrap();
        let wanted = if round == 0 { 1900 } else { 2000 };
        assert_eq!(report.rejected.len(), wanted);
        assert!(report.rejected.iter().all(|rejection| rejection.reason == LogRejectReason::StreamLimit));
    }
    let request = model::LogRequest {
        tenant: &Tenant::default(),
        matchers: &[],
        range: NanoRange::ALL,
        fragments: &[],
        memory: None,
    };
    let set = model::LogSource::select(&*store, &request).unwrap();
    assert_eq!(read_set(&*set).unwrap().len(), 100);
}
