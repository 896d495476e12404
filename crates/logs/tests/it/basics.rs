//! Appending and reading back, in order and out of order, before and after flushes and restarts.

use blocks::faults::FaultyDisk;
use logs::{LogLimitTable, LogLimits, StoreOptions, StreamRate};
use model::{
    AppendError, LabelRequest, LogBatch, LogRejectReason, LogRequest, LogSource, Matcher, MemoryPool, NanoRange,
    Tenant, TimeRange,
};

use crate::support::{NOW, SECOND, append, clock, labels, open, open_at, options, push, read, read_one};

fn lines(of: &[(i64, String)]) -> Vec<&str> {
    of.iter().map(|(_, line)| line.as_str()).collect()
}

#[test]
fn lines_come_back_in_order_once() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    assert_eq!(push(&store, "a", &[(1, "one"), (3, "three"), (2, "two"), (3, "three"), (3, "drei")]).stored, 4);
    assert_eq!(push(&store, "a", &[(2, "two"), (1, "one"), (5, "five")]).stored, 1);
    push(&store, "b", &[(2, "two")]);
    let check = |store: &logs::Store| {
        assert_eq!(lines(&read_one(store, "a")), ["one", "two", "three", "drei", "five"]);
        assert_eq!(lines(&read_one(store, "b")), ["two"]);
        assert_eq!(read(store, &[]).len(), 2);
    };
    check(&store);
    store.flush().unwrap();
    check(&store);
    push(&store, "a", &[(2, "two"), (3, "drei"), (5, "five")]);
    check(&store);
    store.flush().unwrap();
    check(&store);
    drop(store);
    let (store, report) = open(&disk, options());
    assert!(!report.found_damage() && report.replayed_entries == 0 && report.blocks == 2);
    check(&store);
    store.merge_now().unwrap();
    assert_eq!(store.stats().blocks, 1);
    check(&store);
}

#[test]
fn what_was_acknowledged_survives_a_crash() {
    for seed in 0..20 {
        let disk = FaultyDisk::new(seed);
        let (store, _) = open(&disk, options());
        for at in 0..40 {
            push(&store, ["a", "b"][at % 2], &[(at as i64 * SECOND, &format!("line {at}"))]);
            if at == 25 {
                store.flush().unwrap();
            }
        }
        disk.crash();
        let (store, report) = open(&disk, options());
        assert!(!report.found_damage(), "{report:?}");
        assert_eq!(read(&store, &[]).values().map(Vec::len).sum::<usize>(), 40);
        store.close().unwrap();
        let (store, report) = open(&disk, options());
        assert_eq!(report.replayed_entries, 0);
        assert_eq!(read_one(&store, "a").len(), 20);
    }
}

#[test]
fn late_entries_are_refused_beyond_the_window() {
    let (store, _) = open(&FaultyDisk::new(1), options());
    let hour = 3600 * SECOND;
    push(&store, "a", &[(2 * hour, "new")]);
    let report = push(&store, "a", &[(hour, "just"), (hour - 1, "too late")]);
    assert_eq!((report.stored, report.rejected.len()), (1, 1));
    assert_eq!(report.rejected[0].reason, LogRejectReason::TooFarBehind);
    assert_eq!(report.rejected[0].oldest_acceptable, Some(NOW * 1_000_000 + hour));
    assert_eq!(lines(&read_one(&store, "a")), ["just", "new"]);
}

#[test]
fn limits_of_streams_hold() {
    let clock = clock();
    let limits = LogLimits {
        streams: Some(2),
        stream_rate: Some(StreamRate { bytes_a_second: 10.0, burst_bytes: 20.0 }),
        out_of_order_window: None,
    };
    let limits = LogLimitTable { default: limits, ..LogLimitTable::default() };
    let (store, _) = open_at(&FaultyDisk::new(1), StoreOptions { limits, ..options() }, clock.clone());
    push(&store, "a", &[(1, "ten bytes.")]);
    push(&store, "b", &[(1, "x")]);
    assert_eq!(push(&store, "c", &[(1, "x")]).rejected[0].reason, LogRejectReason::StreamLimit);
    let report = push(&store, "a", &[(2, "ten bytes."), (3, "more")]);
    assert_eq!(report.rejected[0].reason, LogRejectReason::StreamRate);
    clock.advance_ms(1000);
    assert!(push(&store, "a", &[(4, "ten bytes.")]).rejected.is_empty());
    store.set_limits(LogLimitTable::default());
    assert_eq!(push(&store, "c", &[(1, "x")]).stored, 1);
    let refused = store.stats().entries_rejected;
    assert!(refused.contains(&("stream_limit", 1)) && refused.contains(&("per_stream_rate_limit", 1)), "{refused:?}");
}

#[test]
fn a_full_head_refuses_until_it_is_flushed() {
    let (store, _) = open(&FaultyDisk::new(1), StoreOptions { memory_limit_bytes: Some(20_000), ..options() });
    let line = "x".repeat(1000);
    let mut batch = LogBatch::new(Tenant::default());
    let stream = batch.add_stream(labels("a"));
    (0..30).for_each(|at| batch.push(stream, NOW * 1_000_000 + at, line.as_bytes(), []));
    append(&store, batch.clone()).unwrap();
    assert!(matches!(append(&store, batch.clone()), Err(AppendError::OverBudget { .. })));
    store.flush().unwrap();
    assert_eq!(append(&store, batch).unwrap().stored, 30, "what is in blocks is not known to the head");
    assert!(store.stats().head_bytes > 30_000);
    let tenant = Tenant::default();
    let request = LogRequest { tenant: &tenant, matchers: &[], range: NanoRange::ALL, fragments: &[], memory: None };
    let set = store.select(&request).unwrap();
    let entries: u32 = set.pages(0).unwrap().iter().map(|page| page.info().entries).sum();
    assert_eq!(entries, 30, "but to readers");
}

#[test]
fn labels_and_ranges_select() {
    let (store, _) = open(&FaultyDisk::new(1), options());
    push(&store, "a", &[(0, "old")]);
    store.flush().unwrap();
    push(&store, "b", &[(60 * SECOND, "new")]);
    let tenant = Tenant::default();
    let request = |from: i64, to: i64| LabelRequest {
        tenant: &tenant,
        matcher_sets: &[],
        range: TimeRange::new(NOW + from, NOW + to),
        limit: 0,
        memory: None,
    };
    assert_eq!(store.label_names(&request(-1, 100_000)).unwrap(), ["app", "env"]);
    assert_eq!(store.label_values("app", &request(-1, 100_000)).unwrap(), ["a", "b"]);
    assert_eq!(store.label_values("app", &request(1, 100_000)).unwrap(), ["b"]);
    assert_eq!(store.label_values("app", &request(0, 59_999)).unwrap(), ["a"]);
    assert_eq!(store.streams(&request(0, 100_000)).unwrap(), [labels("a"), labels("b")]);
    let sets = [vec![Matcher::equal("app", "b")], vec![Matcher::equal("app", "c")]];
    let some = LabelRequest { matcher_sets: &sets, ..request(0, 100_000) };
    assert_eq!(store.streams(&some).unwrap(), [labels("b")]);
    let range = NanoRange { start: NOW * 1_000_000, end: NOW * 1_000_000 + 1 };
    for (range, count) in
        [(range, 1), (NanoRange { start: range.end, end: range.end + SECOND }, 0), (NanoRange::ALL, 2)]
    {
        let request = LogRequest { tenant: &tenant, matchers: &[], range, fragments: &[], memory: None };
        assert_eq!(store.select(&request).unwrap().len(), count);
    }
    let other = Tenant::new("other").unwrap();
    let request = LogRequest { tenant: &other, matchers: &[], range: NanoRange::ALL, fragments: &[], memory: None };
    assert!(store.select(&request).unwrap().is_empty());
}

#[test]
fn fragments_leave_pages_out_and_memory_is_asked_for() {
    let (store, _) = open(&FaultyDisk::new(1), options());
    for at in 0..2000_i64 {
        let id = (at as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834);
        push(&store, "a", &[(at, &format!("{{\"id\":\"{id:032x}\",\"n\":{at}}}"))]);
    }
    store.flush().unwrap();
    let id = format!("{:032x}", 78_u128.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834));
    let tenant = Tenant::default();
    let pages = |fragments: &[Vec<u8>]| {
        let request = LogRequest { tenant: &tenant, matchers: &[], range: NanoRange::ALL, fragments, memory: None };
        store.select(&request).unwrap().pages(0).unwrap()
    };
    let all = pages(&[]).len();
    assert!(all > 8, "{all} pages");
    for fragment in [&id[..], &id[..28], &id[4..]] {
        let found = pages(&[fragment.as_bytes().to_vec()]);
        assert!((1..=3).contains(&found.len()), "{} pages for {fragment}", found.len());
        assert!(found.iter().any(|page| String::from_utf8_lossy(&page.lines().unwrap().text).contains(fragment)));
    }
    let pool = MemoryPool::new(1 << 20, 4000, None);
    let reservation = pool.open();
    let request = LogRequest {
        tenant: &tenant,
        matchers: &[],
        range: NanoRange::ALL,
        fragments: &[],
        memory: Some(&reservation),
    };
    let set = store.select(&request).unwrap();
    assert!(reservation.bytes() > 0, "what is found takes memory");
    drop(set);
    assert_eq!(reservation.bytes(), 0);
}
