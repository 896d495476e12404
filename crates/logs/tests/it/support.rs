//! A store on a disk in memory, and the few words that the tests speak.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use blocks::faults::FaultyDisk;
use logs::{RecoveryReport, Store, StoreOptions};
use model::{
    ABSENT, AppendError, Column, Labels, LogBatch, LogReport, LogRequest, LogSink, LogSource, ManualClock, Matcher,
    NanoRange, SourceError, StreamSet, Tenant, Timestamp,
};

pub(crate) const NOW: i64 = 1_700_000_000_000;
pub(crate) const SECOND: i64 = 1_000_000_000;

/// Time, line, metadata.
pub(crate) type Entry = (i64, Vec<u8>, Vec<(String, String)>);
pub(crate) type Found = BTreeMap<Labels, Vec<Entry>>;

pub(crate) fn options() -> StoreOptions {
    StoreOptions { background: false, page_bytes: 6000, ..StoreOptions::default() }
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp(NOW)))
}

pub(crate) fn open(disk: &FaultyDisk, options: StoreOptions) -> (Arc<Store>, RecoveryReport) {
    open_at(disk, options, clock())
}

pub(crate) fn open_at(
    disk: &FaultyDisk,
    options: StoreOptions,
    clock: Arc<ManualClock>,
) -> (Arc<Store>, RecoveryReport) {
    Store::open_on(Arc::new(disk.clone()), Path::new("/data"), options, clock).unwrap()
}

pub(crate) fn labels(app: &str) -> Labels {
    Labels::from_pairs([("app", app), ("env", "test")])
}

pub(crate) fn append(store: &Store, batch: LogBatch) -> Result<LogReport, AppendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.append(batch))
}

/// Appends lines at times relative to now, in nanoseconds.
pub(crate) fn push(store: &Store, app: &str, lines: &[(i64, &str)]) -> LogReport {
    let mut batch = LogBatch::new(Tenant::default());
    let stream = batch.add_stream(labels(app));
    for (time, line) in lines {
        batch.push(stream, NOW * 1_000_000 + time, line.as_bytes(), [("n", *line)]);
    }
    append(store, batch).unwrap()
}

fn text(column: &Column, at: usize) -> Option<String> {
    match column {
        Column::Dictionary { codes, .. } if codes[at] == ABSENT => None,
        Column::Dictionary { values, codes } => Some(values[codes[at] as usize].to_string()),
        Column::Texts { values, present } => present
            .as_ref()
            .is_none_or(|present| present[at])
            .then(|| String::from_utf8(values.get(at).to_vec()).unwrap()),
        other => panic!("metadata is text, not {other:?}"),
    }
}

/// Everything of a selection; checks what every set of pages promises.
pub(crate) fn read_set(set: &dyn StreamSet) -> Result<Found, SourceError> {
    let mut found = Found::new();
    for index in 0..set.len() {
        let mut entries = Vec::new();
        let mut last = i64::MIN;
        for page in set.pages(index)? {
            let info = page.info();
            let (times, lines, metadata) = (page.timestamps()?, page.lines()?, page.metadata()?);
            assert_eq!((times.len(), lines.len()), (info.entries as usize, info.entries as usize));
            assert_eq!((times[0], times[times.len() - 1]), (info.first, info.last));
            assert!(times.is_sorted() && last <= info.first, "pages by time");
            last = info.last;
            for at in 0..times.len() {
                let pairs = metadata.iter().filter_map(|c| Some((c.name.to_string(), text(&c.values, at)?)));
                entries.push((times[at], lines.get(at).to_vec(), pairs.collect()));
                assert!(page.may_contain(lines.get(at)), "a line of the page is found by its filters");
            }
        }
        let mut keys: Vec<(i64, &[u8])> = entries.iter().map(|(time, line, _)| (*time, line.as_slice())).collect();
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "each time and line once");
        assert!(found.insert(set.labels(index), entries).is_none(), "each label set once");
    }
    found.retain(|_, entries| !entries.is_empty());
    Ok(found)
}

pub(crate) fn read_tenant(store: &Store, tenant: &Tenant) -> Result<(Found, Vec<String>), SourceError> {
    let request = LogRequest { tenant, matchers: &[], range: NanoRange::ALL, fragments: &[], memory: None };
    let set = store.select(&request)?;
    let found = read_set(&*set)?;
    Ok((found, set.warnings()))
}

/// Lines with their times relative to now, by the value of `app`.
pub(crate) fn read(store: &Store, matchers: &[Matcher]) -> BTreeMap<String, Vec<(i64, String)>> {
    let tenant = Tenant::default();
    let request = LogRequest { tenant: &tenant, matchers, range: NanoRange::ALL, fragments: &[], memory: None };
    let set = store.select(&request).unwrap();
    let found = read_set(&*set).unwrap();
    assert!(set.warnings().is_empty(), "{:?}", set.warnings());
    let line = |(time, line, metadata): Entry| {
        let line = String::from_utf8(line).unwrap();
        assert_eq!(metadata, [("n".to_owned(), line.clone())]);
        (time - NOW * 1_000_000, line)
    };
    let app = |labels: &Labels| labels.get("app").unwrap().to_owned();
    found.into_iter().map(|(labels, entries)| (app(&labels), entries.into_iter().map(line).collect())).collect()
}

pub(crate) fn read_one(store: &Store, app: &str) -> Vec<(i64, String)> {
    read(store, &[Matcher::equal("app", app)]).remove(app).unwrap_or_default()
}
