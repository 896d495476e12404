//! What the catalogue lists: blocks, tombstones, and the manifest that holds them.

use model::{MatchOp, Matcher, MatcherError, Tenant, TimeRange, Timestamp};
use serde::{Deserialize, Serialize};

const SUFFIX: &str = ".parquet";

/// One block: which file, whose samples, of when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEntry {
    /// Unique for ever within a catalogue; a younger block has a greater one.
    pub id: u64,
    /// Whose samples.
    #[serde(with = "tenant_name")]
    pub tenant: Tenant,
    /// 0 for a flush of the head or of several; from 1 on the block lies within one window of that level.
    pub level: u8,
    /// First and last sample, in milliseconds.
    #[serde(with = "range_ms")]
    pub range: TimeRange,
    /// Label sets.
    pub series: u64,
    /// Rows of the file.
    pub rows: u64,
    /// Samples.
    pub samples: u64,
    /// Length of the file.
    pub bytes: u64,
    /// When the block was written, in milliseconds since the epoch.
    pub created_ms: i64,
    /// Distance of downsampled samples; 0 where all samples are as they came in.
    #[serde(default)]
    pub resolution_ms: i64,
    /// Blocks whose place is taken by this one together with those that the same job put before it. Only the *last* block
    /// that a job puts, which has the greatest id, names them: whoever finds it after a crash knows that the others are there.
    #[serde(default)]
    pub replaces: Vec<u64>,
    /// Its place in the order of writing: that of the oldest block whose samples it holds, or of an import's end; 0 where
    /// its id says it.
    #[serde(default)]
    pub first: u64,
    /// Version of the file's format.
    pub format: u32,
    /// Hashes of the retention rules that were applied.
    #[serde(default)]
    pub rules: Vec<u64>,
}

impl BlockEntry {
    /// An entry without samples, for a writer to fill in.
    pub fn new(id: u64, tenant: Tenant, level: u8, created: Timestamp) -> Self {
        BlockEntry {
            id,
            tenant,
            level,
            range: TimeRange::new(0, 0),
            series: 0,
            rows: 0,
            samples: 0,
            bytes: 0,
            created_ms: created.ms(),
            resolution_ms: 0,
            replaces: Vec::new(),
            first: 0,
            format: 0,
            rules: Vec::new(),
        }
    }

    /// Its place in the order of writing. Where two blocks hold different samples of one series and time, the one in the
    /// block that stands first counts. Merging keeps the place of the oldest input, and the plan merges no blocks across one
    /// that stands between them and overlaps, so the answer does not depend on what was merged when.
    pub fn written(&self) -> (u64, u64) {
        (if self.first == 0 { self.id } else { self.first }, self.id)
    }

    /// Name of the block's file.
    pub fn file_name(&self) -> String {
        file_name(self.id)
    }
}

/// Name of the file of a block: 16 hexadecimal digits, then `.parquet`.
pub fn file_name(id: u64) -> String {
    format!("{id:016x}{SUFFIX}")
}

/// The block that a file name stands for; `None` for other files.
pub fn block_id(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let lower_hex = digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if lower_hex { u64::from_str_radix(digits, 16).ok() } else { None }
}

/// A matcher as plain data; a pattern is compiled only when it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMatcher {
    /// Label name.
    pub name: String,
    /// Comparison, stored as it is written (`=`, `!=`, `=~`, `!~`).
    #[serde(with = "operator")]
    pub op: MatchOp,
    /// Value or pattern.
    pub value: String,
}

impl From<&Matcher> for StoredMatcher {
    fn from(matcher: &Matcher) -> Self {
        StoredMatcher { name: matcher.name.clone(), op: matcher.op, value: matcher.value.clone() }
    }
}

impl StoredMatcher {
    /// Makes the matcher again.
    pub fn matcher(&self) -> Result<Matcher, MatcherError> {
        Matcher::new(&self.name, self.op, &self.value)
    }
}

/// Samples that count as deleted although blocks still hold them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Unique among blocks and tombstones.
    pub id: u64,
    /// Whose samples.
    #[serde(with = "tenant_name")]
    pub tenant: Tenant,
    /// All must match.
    pub matchers: Vec<StoredMatcher>,
    /// Samples within, both ends included.
    #[serde(with = "range_ms")]
    pub range: TimeRange,
    /// Blocks with a greater id, or that began to count later, are not concerned.
    pub newest_block: u64,
    /// Which of these are meant, in the store's own words; all where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

impl Tombstone {
    /// True where the block may hold samples that count as deleted.
    pub fn concerns(&self, block: &BlockEntry) -> bool {
        block.id.max(block.first) <= self.newest_block
            && block.tenant == self.tenant
            && block.range.overlaps(&self.range)
    }
}

/// Samples that were acknowledged and are known to be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Whose samples; where it is absent, that is not known.
    #[serde(with = "tenant_or_any", default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// They lay within, as far as it is known.
    #[serde(with = "range_ms")]
    pub range: TimeRange,
    /// What happened, for people: `block 0000000000000007.parquet was damaged`. Tells losses apart.
    pub what: String,
    /// The file that was put aside, if one was, from the store's directory on. Who removes it has seen to the loss, and nobody
    /// is told of it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Rows of a block that could not be read; 0 where it was no block.
    #[serde(default)]
    pub rows: u64,
    /// When it was noticed, in milliseconds since the epoch.
    pub noticed_ms: i64,
}

impl Loss {
    /// True where an answer about a tenant and a range may lack something for it.
    pub fn concerns(&self, tenant: &Tenant, range: TimeRange) -> bool {
        self.tenant.as_ref().is_none_or(|own| own == tenant) && self.range.overlaps(&range)
    }
}

/// Everything that counts, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Tells this store from every other, so that two do not take one bucket; 0 for a manifest that was never saved.
    #[serde(default)]
    pub owner: u64,
    /// Grows with each commit.
    pub version: u64,
    /// The next free id.
    pub next_id: u64,
    /// Samples of log segments below this are in blocks. 0 after a recovery that cannot know: then all segments that are
    /// there count. A log that starts anew must number its segments from here on.
    pub wal_from: u64,
    /// The blocks, by id.
    pub blocks: Vec<BlockEntry>,
    /// What counts as deleted.
    #[serde(default)]
    pub tombstones: Vec<Tombstone>,
    /// Blocks whose file was not there at the last start; they come back when the file does.
    #[serde(default)]
    pub missing: Vec<BlockEntry>,
    /// Files that could not be read when the catalogue was rebuilt; they are kept, and tried again at each start.
    #[serde(default)]
    pub unreadable: Vec<String>,
    /// Blocks that count no more, or never did, whose files may still be there: somebody reads them, or they could not be
    /// removed yet. What they say of themselves is not believed, whoever finds them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<u64>,
    /// What is known to be lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
    /// The bucket that holds the files; `None` where they lie beside the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
}

impl Manifest {
    /// The block with an id.
    pub fn block(&self, id: u64) -> Option<&BlockEntry> {
        let at = self.blocks.binary_search_by_key(&id, |block| block.id).ok()?;
        Some(&self.blocks[at])
    }

    /// True for a block that counts, though its file may be missing.
    pub fn lists(&self, id: u64) -> bool {
        self.block(id).is_some() || self.missing.iter().any(|block| block.id == id)
    }

    /// Puts blocks in the place of others; either may be none.
    pub fn replace(&mut self, inputs: &[u64], outputs: impl IntoIterator<Item = BlockEntry>) {
        self.blocks.retain(|block| !inputs.contains(&block.id));
        self.blocks.extend(outputs);
        self.blocks.sort_unstable_by_key(|block| block.id);
    }

    /// Notes losses; one that was noted before is not noted twice.
    pub fn lose(&mut self, losses: impl IntoIterator<Item = Loss>) {
        for loss in losses {
            match self.losses.iter_mut().find(|known| known.tenant == loss.tenant && known.what == loss.what) {
                Some(known) => *known = loss,
                None => self.losses.push(loss),
            }
        }
    }
}

mod tenant_name {
    use super::{Deserialize, Tenant};

    pub(super) fn serialize<S: serde::Serializer>(tenant: &Tenant, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(tenant.as_str())
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Tenant, D::Error> {
        let name = String::deserialize(deserializer)?;
        Tenant::new(&name).map_err(serde::de::Error::custom)
    }
}

mod tenant_or_any {
    use super::{Deserialize, Serialize, Tenant};

    pub(super) fn serialize<S: serde::Serializer>(tenant: &Option<Tenant>, serializer: S) -> Result<S::Ok, S::Error> {
        tenant.as_ref().map(Tenant::as_str).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Tenant>, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        name.map(|name| Tenant::new(&name).map_err(serde::de::Error::custom)).transpose()
    }
}

mod range_ms {
    use super::{Deserialize, Serialize, TimeRange};

    pub(super) fn serialize<S: serde::Serializer>(range: &TimeRange, serializer: S) -> Result<S::Ok, S::Error> {
        [range.start.ms(), range.end.ms()].serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<TimeRange, D::Error> {
        let [start, end] = <[i64; 2]>::deserialize(deserializer)?;
        Ok(TimeRange::new(start, end))
    }
}

mod operator {
    use super::{Deserialize, MatchOp};

    const ALL: [MatchOp; 4] = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];

    pub(super) fn serialize<S: serde::Serializer>(op: &MatchOp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(op.as_str())
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<MatchOp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = ALL.into_iter().find(|op| op.as_str() == text);
        known.ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no matching operator")))
    }
}
