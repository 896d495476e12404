//! Compaction, retention and deletion.

use std::sync::Arc;

use blocks::faults::FaultyDisk;
use logs::{RetentionRule, StoreOptions};
use model::{Matcher, Tenant, TimeRange};

use crate::support::{NOW, SECOND, clock, open, open_at, options, push, read, read_one};

const HOUR: i64 = 3_600_000;

#[test]
fn blocks_become_few_and_small_pages_one() {
    let clock = clock();
    let disk = FaultyDisk::new(1);
    let (store, _) = open_at(&disk, options(), clock.clone());
    let mut wanted = Vec::new();
    for round in 0..30_i64 {
        let base = round * 600 * SECOND;
        let texts: Vec<String> = (0..5).map(|at| format!("round {round} line {at}")).collect();
        let lines: Vec<(i64, &str)> = texts.iter().enumerate().map(|(at, t)| (base + at as i64, t.as_str())).collect();
        push(&store, "a", &lines);
        push(&store, "b", &lines[..2]);
        wanted.extend(lines.iter().map(|(time, line)| (*time, (*line).to_owned())));
        // Late ones make pages overlap.
        push(&store, "a", &[(base - SECOND, &format!("late {round}"))]);
        wanted.push((base - SECOND, format!("late {round}")));
        store.flush().unwrap();
        clock.advance_ms(600_000);
        store.maintain().unwrap();
        wanted.sort();
        assert_eq!(read_one(&store, "a"), wanted);
    }
    assert!(store.stats().blocks < 12, "{} blocks", store.stats().blocks);
    clock.advance_ms(24 * HOUR);
    store.maintain().unwrap();
    assert_eq!(read_one(&store, "a"), wanted);
    assert!(store.stats().blocks < 5, "{} blocks", store.stats().blocks);
    drop(store);
    let (store, report) = open_at(&disk, options(), clock);
    assert!(!report.found_damage());
    assert_eq!(read_one(&store, "a"), wanted);
}

#[test]
fn old_entries_go_by_rule_and_by_age() {
    let clock = clock();
    let rule = |app: &str, hours: i64| RetentionRule {
        tenant: None,
        matchers: vec![Matcher::equal("app", app)],
        priority: 1,
        keep_ms: hours * HOUR,
    };
    let options = StoreOptions {
        retention_ms: Some(48 * HOUR),
        retention_rules: vec![rule("short", 12), rule("long", 200)],
        ..options()
    };
    let (store, _) = open_at(&FaultyDisk::new(1), options, clock.clone());
    for app in ["short", "usual", "long"] {
        push(&store, app, &[(0, "line")]);
    }
    store.flush().unwrap();
    let there = |hours: i64| {
        clock.advance_ms(hours * HOUR);
        store.maintain().unwrap();
        read(&store, &[]).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(there(10), ["long", "short", "usual"]);
    assert_eq!(there(10), ["long", "usual"]);
    assert_eq!(there(20), ["long", "usual"]);
    assert_eq!(there(20), ["long"]);
    assert!(there(300).is_empty());
    assert_eq!(store.stats().blocks, 0);
}

#[test]
fn the_oldest_blocks_go_where_there_are_too_many_bytes() {
    let clock = clock();
    let (store, _) = open_at(&FaultyDisk::new(1), StoreOptions { max_block_bytes: Some(1), ..options() }, clock);
    push(&store, "a", &[(0, "line")]);
    store.flush().unwrap();
    store.maintain().unwrap();
    assert_eq!(store.stats().blocks, 0);
}

#[test]
fn deletions_hide_at_once_and_free_space_later() {
    let disk = FaultyDisk::new(1);
    let compile: logs::FilterCompiler = Arc::new(|text: &str| {
        let wanted = text.strip_prefix("|= ").ok_or("a filter begins with |=")?.as_bytes().to_vec();
        Ok(Arc::new(move |_: i64, line: &[u8], _: &[(&str, &str)]| {
            line.windows(wanted.len()).any(|part| part == wanted)
        }) as logs::EntryFilter)
    });
    let options = StoreOptions { compile_filter: Some(compile), ..options() };
    let (store, _) = open(&disk, options.clone());
    for app in ["a", "b"] {
        push(&store, app, &[(0, "keep"), (SECOND, "secret one"), (2 * SECOND, "keep too"), (3 * SECOND, "secret two")]);
    }
    let (tenant, of_a) = (Tenant::default(), [Matcher::equal("app", "a")]);
    assert!(store.delete(&tenant, &of_a, TimeRange::ALL, Some("secret")).is_err());
    store.delete(&tenant, &of_a, TimeRange::ALL, Some("|= secret")).unwrap();
    let check = |store: &logs::Store| {
        let a: Vec<String> = read_one(store, "a").into_iter().map(|(_, line)| line).collect();
        assert_eq!(a, ["keep", "keep too"]);
        assert_eq!(read_one(store, "b").len(), 4);
    };
    check(&store);
    drop(store);
    let (store, _) = open(&disk, options);
    check(&store);
    store.clean_tombstones().unwrap();
    check(&store);
    assert_eq!((store.stats().deletions, store.stats().block_entries), (0, 6));
    store.delete(&tenant, &of_a, TimeRange::new(NOW, NOW + 1000), None).unwrap();
    assert_eq!(read_one(&store, "a").len(), 1);
    push(&store, "a", &[(5, "after the deletion")]);
    assert_eq!(read_one(&store, "a").len(), 2);
    store.delete(&tenant, &[], TimeRange::ALL, None).unwrap();
    assert!(read(&store, &[]).is_empty());
    store.clean_tombstones().unwrap();
    assert_eq!(store.stats().block_entries, 0);
}

#[test]
fn a_snapshot_is_a_store() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    push(&store, "a", &[(0, "line")]);
    store.snapshot(std::path::Path::new("/snapshot")).unwrap();
    push(&store, "a", &[(1, "later")]);
    let (copy, report) =
        logs::Store::open_on(Arc::new(disk), std::path::Path::new("/snapshot"), options(), clock()).unwrap();
    assert!(!report.found_damage());
    assert_eq!(read_one(&copy, "a").len(), 1);
}
