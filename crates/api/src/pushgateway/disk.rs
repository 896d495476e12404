//! Groups on disk: one JSON file for each, replaced as a whole and synced before a push is answered.
//!
//! ```text
//! {"pushed":1,"crc32":"89abcdef","group":{...}}
//! ```
//!
//! The frame is fixed text, so that the checksum is over the very bytes of the group. Files from before there was one hold the
//! group alone.
//! Floats stand as their bits, because JSON knows neither NaN nor infinity.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{
    BucketSpan, CounterResetHint, FloatHistogram, Labels, Metadata, MetricType, SampleValue, Tenant, Timestamp,
};
use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use super::group::{Families, Family, GroupKey, Series};
use crate::files;

/// Version of the format.
const VERSION: u32 = 1;
const HEAD: &str = "{\"pushed\":1,\"crc32\":\"";
const BODY: &str = "\",\"group\":";
const TAIL: &str = "}";

#[derive(Serialize, Deserialize)]
struct StoredGroup {
    version: u32,
    tenant: String,
    labels: BTreeMap<String, String>,
    families: Vec<StoredFamily>,
}

#[derive(Serialize, Deserialize)]
struct StoredFamily {
    name: String,
    #[serde(rename = "type")]
    metric_type: String,
    help: String,
    pushed_at_ms: i64,
    series: Vec<StoredSeries>,
}

#[derive(Serialize, Deserialize)]
struct StoredSeries {
    labels: BTreeMap<String, String>,
    value: StoredValue,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredValue {
    FloatBits(u64),
    Histogram(StoredHistogram),
}

#[derive(Serialize, Deserialize)]
struct StoredHistogram {
    hint: u8,
    schema: i32,
    /// Zero threshold, zero count, count and sum.
    number_bits: [u64; 4],
    positive_spans: Vec<(i32, u32)>,
    negative_spans: Vec<(i32, u32)>,
    positive_bits: Vec<u64>,
    negative_bits: Vec<u64>,
    bound_bits: Vec<u64>,
}

/// The file of a group.
fn file_of(dir: &Path, key: &GroupKey) -> PathBuf {
    let mut text = key.tenant.as_str().to_owned();
    for (name, value) in &key.labels {
        text.push_str(&format!("\u{0}{name}\u{0}{value}"));
    }
    dir.join(format!("{:032x}.json", xxhash_rust::xxh3::xxh3_128(text.as_bytes())))
}

/// Puts a group in place of what its file held.
pub(super) fn save(dir: &Path, key: &GroupKey, families: &Families) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let path = file_of(dir, key);
    let group = serde_json::to_string(&stored(key, families)).map_err(io::Error::other)?;
    let crc = crc32fast::hash(group.as_bytes());
    files::replace(&path, format!("{HEAD}{crc:08x}{BODY}{group}{TAIL}").as_bytes())
}

/// Removes the file of a group.
pub(super) fn remove(dir: &Path, key: &GroupKey) -> io::Result<()> {
    match fs::remove_file(file_of(dir, key)) {
        Ok(()) => File::open(dir)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// What was found in the directory.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) groups: BTreeMap<GroupKey, Families>,
    /// Files that could not be read, now or at an earlier start, and were put aside.
    pub(super) damaged: u64,
}

/// Reads all groups. Files that cannot be read are put aside and told of: they stop no start.
pub(super) fn load(dir: &Path) -> Loaded {
    let mut loaded = Loaded::default();
    let Ok(entries) = fs::read_dir(dir) else { return loaded };
    for path in entries.flatten().map(|entry| entry.path()) {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if extension == "damaged" {
            loaded.damaged += 1;
        }
        if extension != "json" {
            continue;
        }
        match read(&path) {
            Ok((key, families)) => drop(loaded.groups.insert(key, families)),
            Err(error) => {
                loaded.damaged += 1;
                error!(file = %path.display(), %error, "a pushed group cannot be read, its file is put aside");
                if let Err(error) = fs::rename(&path, path.with_extension("damaged")) {
                    warn!(file = %path.display(), %error, "the file cannot be put aside");
                }
            }
        }
    }
    loaded
}

/// The JSON of a group out of its frame, if it has one.
fn unframed(bytes: &[u8]) -> io::Result<&[u8]> {
    let Some(rest) = bytes.strip_prefix(HEAD.as_bytes()) else { return Ok(bytes) };
    let framed = || {
        let (crc, rest) = rest.split_at_checked(8)?;
        Some((crc, rest.strip_prefix(BODY.as_bytes())?.strip_suffix(TAIL.as_bytes())?))
    };
    let (crc, group) = framed().ok_or_else(|| io::Error::other("it is cut"))?;
    match crc == format!("{:08x}", crc32fast::hash(group)).as_bytes() {
        true => Ok(group),
        false => Err(io::Error::other("its checksum is wrong")),
    }
}

fn read(path: &Path) -> io::Result<(GroupKey, Families)> {
    let group: StoredGroup = serde_json::from_slice(unframed(&fs::read(path)?)?).map_err(io::Error::other)?;
    if group.version != VERSION {
        return Err(io::Error::other(format!("format version {} is not known", group.version)));
    }
    let tenant = Tenant::new(&group.tenant).map_err(io::Error::other)?;
    let families = group.families.into_iter().map(|family| {
        let metadata = Metadata { metric_type: type_of(&family.metric_type), help: family.help, unit: String::new() };
        let series = family.series.into_iter().map(|series| Series {
            labels: Labels::from_pairs(&series.labels),
            value: match series.value {
                StoredValue::FloatBits(bits) => SampleValue::Float(f64::from_bits(bits)),
                StoredValue::Histogram(histogram) => SampleValue::Histogram(Arc::new(read_histogram(histogram))),
            },
        });
        let series = series.collect();
        (family.name, Family { metadata, pushed_at: Timestamp(family.pushed_at_ms), series })
    });
    Ok((GroupKey { tenant, labels: group.labels }, families.collect()))
}

fn stored(key: &GroupKey, families: &Families) -> StoredGroup {
    let series = |series: &Series| StoredSeries {
        labels: series.labels.iter().map(|l| (l.name.to_owned(), l.value.to_owned())).collect(),
        value: match &series.value {
            SampleValue::Float(value) => StoredValue::FloatBits(value.to_bits()),
            SampleValue::Histogram(histogram) => StoredValue::Histogram(stored_histogram(histogram)),
        },
    };
    let families = families.iter().map(|(name, family)| StoredFamily {
        name: name.clone(),
        metric_type: family.metadata.metric_type.as_str().to_owned(),
        help: family.metadata.help.clone(),
        pushed_at_ms: family.pushed_at.ms(),
        series: family.series.iter().map(series).collect(),
    });
    let tenant = key.tenant.as_str().to_owned();
    StoredGroup { version: VERSION, tenant, labels: key.labels.clone(), families: families.collect() }
}

fn type_of(name: &str) -> MetricType {
    let all = [
        MetricType::Counter,
        MetricType::Gauge,
        MetricType::Histogram,
        MetricType::GaugeHistogram,
        MetricType::Summary,
        MetricType::Info,
        MetricType::StateSet,
    ];
    all.into_iter().find(|t| t.as_str() == name).unwrap_or_default()
}

const HINTS: [CounterResetHint; 4] = [
    CounterResetHint::Unknown,
    CounterResetHint::CounterReset,
    CounterResetHint::NotCounterReset,
    CounterResetHint::Gauge,
];

fn stored_histogram(h: &FloatHistogram) -> StoredHistogram {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect();
    let spans = |spans: &[BucketSpan]| spans.iter().map(|s| (s.offset, s.length)).collect();
    StoredHistogram {
        hint: HINTS.iter().position(|hint| *hint == h.counter_reset_hint).unwrap_or(0) as u8,
        schema: h.schema,
        number_bits: [h.zero_threshold, h.zero_count, h.count, h.sum].map(f64::to_bits),
        positive_spans: spans(&h.positive_spans),
        negative_spans: spans(&h.negative_spans),
        positive_bits: bits(&h.positive_buckets),
        negative_bits: bits(&h.negative_buckets),
        bound_bits: bits(&h.custom_values),
    }
}

fn read_histogram(stored: StoredHistogram) -> FloatHistogram {
    let floats = |bits: Vec<u64>| bits.into_iter().map(f64::from_bits).collect();
    let spans =
        |spans: Vec<(i32, u32)>| spans.into_iter().map(|(offset, length)| BucketSpan { offset, length }).collect();
    let [zero_threshold, zero_count, count, sum] = stored.number_bits.map(f64::from_bits);
    FloatHistogram {
        counter_reset_hint: HINTS.get(usize::from(stored.hint)).copied().unwrap_or_default(),
        schema: stored.schema,
        zero_threshold,
        zero_count,
        count,
        sum,
        positive_spans: spans(stored.positive_spans),
        negative_spans: spans(stored.negative_spans),
        positive_buckets: floats(stored.positive_bits),
        negative_buckets: floats(stored.negative_bits),
        custom_values: floats(stored.bound_bits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(job: &str) -> (GroupKey, Families) {
        let labels = BTreeMap::from([("job".to_owned(), job.to_owned()), ("e".to_owned(), String::new())]);
        let key = GroupKey { tenant: Tenant::default(), labels };
        let histogram = FloatHistogram {
            counter_reset_hint: CounterResetHint::Gauge,
            schema: 3,
            sum: f64::INFINITY,
            count: 3.0,
            positive_spans: vec![BucketSpan { offset: -4, length: 2 }],
            positive_buckets: vec![1.0, 2.0],
            ..FloatHistogram::default()
        };
        let labels = |name: &str| Labels::from_pairs([("__name__", name), ("job", job)]);
        let series = vec![
            Series { labels: labels("a"), value: SampleValue::Float(-0.0) },
            Series { labels: labels("b"), value: SampleValue::Histogram(Arc::new(histogram)) },
        ];
        let metadata = Metadata { metric_type: MetricType::Histogram, help: "é\n".into(), unit: String::new() };
        (key, BTreeMap::from([("a".to_owned(), Family { metadata, pushed_at: Timestamp(7), series })]))
    }

    #[test]
    fn what_is_saved_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("pushgateway");
        assert!(load(&dir).groups.is_empty());
        let (one, two) = (group("one"), group("t/w/o"));
        for (key, families) in [&one, &two] {
            save(&dir, key, families).unwrap();
            save(&dir, key, families).unwrap();
        }
        assert_eq!(load(&dir).groups, BTreeMap::from([one.clone(), two.clone()]));
        remove(&dir, &one.0).unwrap();
        remove(&dir, &one.0).unwrap();
        let loaded = load(&dir);
        assert_eq!((loaded.groups, loaded.damaged), (BTreeMap::from([two]), 0));
    }

    #[test]
    fn damage_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let (key, families) = group("one");
        save(dir.path(), &key, &families).unwrap();
        let path = file_of(dir.path(), &key);
        let bytes = fs::read(&path).unwrap();
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..cut]).unwrap();
            let loaded = load(dir.path());
            assert_eq!((loaded.groups.len(), loaded.damaged), (0, 1));
            assert!(!path.exists() && path.with_extension("damaged").exists());
            fs::remove_file(path.with_extension("damaged")).unwrap();
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert!(load(dir.path()).groups.is_empty(), "byte {at}");
        }
        assert_eq!(load(dir.path()).damaged, 1, "told at every start until someone removes the file");
    }

    #[test]
    fn files_without_a_checksum_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let (key, families) = group("one");
        fs::write(file_of(dir.path(), &key), serde_json::to_vec(&stored(&key, &families)).unwrap()).unwrap();
        assert_eq!(load(dir.path()).groups, BTreeMap::from([(key, families)]));
    }
}
