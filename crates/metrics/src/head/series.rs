//! One series: its labels, its open chunk and the sealed chunks that are not flushed yet.
//!
//! The open chunk is a plain buffer of 14 samples (184 bytes). When it is full it is sealed: compressed and appended to one
//! byte string. A flush copies that string into a block, and it is dropped once no reader needs it. Histograms, start
//! timestamps and late samples are rare and live in a box of their own.
//!
//! ```text
//! sealed:  | durable: in blocks, dropped soon | being flushed | new |
//! ```

use model::{FloatHistogram, Sample, SampleBuffer, SampleValue, TimeRange, is_stale};

use super::seal::{encoded, hash_of, push_sample, push_sealed, same_value, seal_late, seal_rare};
use super::symbols::Pair;
use super::weight::Weight;
use crate::block::SeriesHash;
use crate::bytes::Damaged;
use crate::chunk;

const OPEN_SAMPLES: usize = 14;
/// Samples of the rare kinds that are kept open.
const RARE_OPEN_SAMPLES: usize = 32;
const LATE_OPEN_SAMPLES: usize = 64;

/// The definition of the series is durable outside the log.
pub(crate) const LOGGED_FOR_GOOD: u32 = u32::MAX;

#[derive(Debug)]
struct Open {
    base: i64,
    count: u8,
    offsets: [u32; OPEN_SAMPLES],
    bits: [u64; OPEN_SAMPLES],
}

impl Open {
    fn new() -> Box<Open> {
        Box::new(Open { base: 0, count: 0, offsets: [0; OPEN_SAMPLES], bits: [0; OPEN_SAMPLES] })
    }

    fn times(&self) -> impl Iterator<Item = i64> {
        self.offsets[..usize::from(self.count)].iter().map(|offset| self.base + i64::from(*offset))
    }
}

/// What few series need.
#[derive(Debug, Default)]
struct Rare {
    /// Open samples with a start timestamp or a histogram, in order.
    open: SampleBuffer,
    /// Open samples older than the newest, in the order of arrival.
    late: SampleBuffer,
}

/// A series in the head.
#[derive(Debug)]
pub(crate) struct Series {
    /// Unique in the store for all time; names the series in the log.
    pub(crate) id: u64,
    /// The lower half of [`Series::identity`], by which the shard finds the series.
    pub(crate) hash: u64,
    hash_high: u64,
    pub(crate) pairs: Box<[Pair]>,
    open: Option<Box<Open>>,
    /// Listed chunks, oldest write first.
    sealed: Vec<u8>,
    rare: Option<Box<Rare>>,
    /// Newest sample's time, in memory or flushed from it; `i64::MIN` where there is none.
    pub(crate) last_time: i64,
    /// Bits of the newest sample where it is a float; a hash of it where it is a histogram that was flushed.
    last_bits: u64,
    /// No sample in memory is older.
    pub(crate) first_time: i64,
    /// Chunks in `sealed`.
    sealed_chunks: u32,
    /// Leading bytes of `sealed` that are in blocks already.
    durable: u32,
    /// Leading bytes of `sealed` that will be once the flush under way is committed.
    flushing: u32,
    /// The log's epoch in which the definition was written.
    pub(crate) logged_epoch: u32,
    /// Second, on the store's own count, of the last flush that found samples.
    flushed_at: u32,
    /// Takes samples: neither stale nor idle.
    pub(crate) is_active: bool,
    /// The newest sample is a staleness marker.
    is_stale: bool,
    /// Evicted: unreachable but for readers that found it before.
    pub(crate) is_retired: bool,
    last_kind: LastKind,
}

/// What is known of the newest sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastKind {
    Float,
    Histogram,
    /// Only that it is no newer than `last_time`: those above were deleted.
    Unknown,
}

/// What became of a sample that lies within the limits of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is the newest of its series.
    Newest,
    /// It was older than the newest, within the window.
    Late,
    /// The same sample was there before.
    Again,
    /// Another value was there before.
    Conflict,
    /// It is older than the window allows.
    TooLate,
}

impl Series {
    pub(crate) fn new(id: u64, identity: SeriesHash, pairs: Box<[Pair]>) -> Self {
        Series {
            id,
            hash: identity.0 as u64,
            hash_high: (identity.0 >> 64) as u64,
            pairs,
            open: None,
            sealed: Vec::new(),
            rare: None,
            last_time: i64::MIN,
            last_bits: 0,
            first_time: i64::MAX,
            sealed_chunks: 0,
            durable: 0,
            flushing: 0,
            logged_epoch: 0,
            flushed_at: 0,
            is_active: false,
            is_stale: false,
            is_retired: false,
            last_kind: LastKind::Float,
        }
    }

    /// What the series is called in blocks.
    pub(crate) fn identity(&self) -> SeriesHash {
        SeriesHash(u128::from(self.hash_high) << 64 | u128::from(self.hash))
    }

    #[inline]
    pub(crate) fn weight(&self) -> Weight {
        Weight {
            bytes: self.sample_bytes() as i64,
            chunks: i64::from(self.sealed_chunks) + i64::from(self.has_open()),
            active: i64::from(self.is_active),
        }
    }

    fn sample_bytes(&self) -> usize {
        let open = if self.open.is_some() { size_of::<Open>() } else { 0 };
        let rare = self.rare.as_ref().map_or(0, |rare| {
            let buffers = [&rare.open, &rare.late];
            let histogram_bytes = |b: &SampleBuffer| -> usize {
                let values = b.histograms.iter().map(|(_, h)| h.positive_buckets.len() + h.negative_buckets.len());
                values.map(|n| 8 * n + size_of::<model::FloatHistogram>()).sum()
            };
            size_of::<Rare>() + buffers.iter().map(|b| 24 * b.len() + histogram_bytes(b)).sum::<usize>()
        });
        open + self.sealed.capacity() + rare
    }

    #[inline]
    fn has_open(&self) -> bool {
        self.open.as_ref().is_some_and(|o| o.count > 0)
            || self.rare.as_ref().is_some_and(|r| !r.open.is_empty() || !r.late.is_empty())
    }

    /// True where no sample is in memory.
    pub(crate) fn is_empty(&self) -> bool {
        self.sealed.is_empty() && !self.has_open()
    }

    /// True where a sample in memory may lie in the range.
    pub(crate) fn overlaps(&self, range: TimeRange) -> bool {
        self.first_time <= range.end.ms() && self.last_time >= range.start.ms() && !self.is_empty()
    }

    /// Takes a sample. What is in blocks alone is not looked at: of the samples that were flushed only the newest is known
    /// here, and a late sample that contradicts an older one loses against it when it is read.
    pub(crate) fn append(&mut self, sample: &Sample, window_ms: i64) -> Taken {
        let t = sample.timestamp.ms();
        if let (SampleValue::Float(value), None) = (&sample.value, sample.start_timestamp) {
            return self.append_float(t, value.to_bits(), window_ms);
        }
        if t > self.last_time {
            self.push_newest(sample);
            return Taken::Newest;
        }
        if t == self.last_time && self.last_kind != LastKind::Unknown {
            let is_same = match &sample.value {
                SampleValue::Float(value) => self.last_kind == LastKind::Float && value.to_bits() == self.last_bits,
                SampleValue::Histogram(histogram) => self.is_last_histogram(histogram),
            };
            return if is_same { Taken::Again } else { Taken::Conflict };
        }
        self.append_late(sample, window_ms)
    }

    /// Takes a float without a start timestamp, as [`Series::append`] does.
    #[inline]
    pub(crate) fn append_float(&mut self, t: i64, bits: u64, window_ms: i64) -> Taken {
        if t > self.last_time {
            self.push_newest_float(t, bits);
            return Taken::Newest;
        }
        if t == self.last_time && self.last_kind != LastKind::Unknown {
            let is_same = self.last_kind == LastKind::Float && bits == self.last_bits;
            return if is_same { Taken::Again } else { Taken::Conflict };
        }
        self.append_late(&Sample::float(model::Timestamp(t), f64::from_bits(bits)), window_ms)
    }

    fn is_last_histogram(&self, histogram: &FloatHistogram) -> bool {
        if self.last_kind != LastKind::Histogram {
            return false;
        }
        let mut known = SampleBuffer::default();
        // Damage in memory cannot be: what cannot be decoded was encoded by this process.
        let _ = self.read(TimeRange::new(self.last_time, self.last_time), false, &mut known);
        match known.histograms.first() {
            Some((_, known)) => encoded(known) == encoded(histogram),
            None => hash_of(histogram) == self.last_bits,
        }
    }

    fn append_late(&mut self, sample: &Sample, window_ms: i64) -> Taken {
        let t = sample.timestamp.ms();
        if t < self.last_time.saturating_sub(window_ms) {
            return Taken::TooLate;
        }
        let mut known = SampleBuffer::default();
        let _ = self.read(TimeRange::new(t, t), true, &mut known);
        if !known.is_empty() {
            return if same_value(&known, &sample.value) { Taken::Again } else { Taken::Conflict };
        }
        let rare = self.rare.get_or_insert_default();
        push_sample(&mut rare.late, sample);
        if rare.late.len() >= LATE_OPEN_SAMPLES {
            self.sealed_chunks += seal_late(&mut rare.late, &mut self.sealed);
        }
        self.first_time = self.first_time.min(t);
        Taken::Late
    }

    #[inline]
    fn push_newest_float(&mut self, t: i64, bits: u64) {
        self.push_float(t, bits);
        self.last_bits = bits;
        self.last_kind = LastKind::Float;
        self.is_active = !is_stale(f64::from_bits(bits));
        self.note_newest(t);
    }

    fn push_newest(&mut self, sample: &Sample) {
        self.seal_floats();
        let rare = self.rare.get_or_insert_default();
        push_sample(&mut rare.open, sample);
        if rare.open.len() >= RARE_OPEN_SAMPLES {
            self.sealed_chunks += seal_rare(&mut rare.open, &mut self.sealed);
        }
        match &sample.value {
            SampleValue::Float(value) => {
                self.last_bits = value.to_bits();
                self.last_kind = LastKind::Float;
                self.is_active = !is_stale(*value);
            }
            SampleValue::Histogram(histogram) => {
                self.last_kind = LastKind::Histogram;
                self.is_active = !is_stale(histogram.sum);
            }
        }
        self.note_newest(sample.timestamp.ms());
    }

    #[inline]
    fn note_newest(&mut self, t: i64) {
        self.is_stale = !self.is_active;
        self.last_time = t;
        self.first_time = self.first_time.min(t);
        if self.is_stale {
            self.seal();
            self.open = None;
            self.rare = None;
        }
    }

    #[inline]
    fn push_float(&mut self, t: i64, bits: u64) {
        if let Some(rare) = &mut self.rare
            && !rare.open.is_empty()
        {
            self.sealed_chunks += seal_rare(&mut rare.open, &mut self.sealed);
        }
        let open = self.open.get_or_insert_with(Open::new);
        if open.count > 0 {
            let fits = t.checked_sub(open.base).is_some_and(|offset| offset <= i64::from(u32::MAX));
            if usize::from(open.count) == OPEN_SAMPLES || !fits {
                seal_open(open, &mut self.sealed);
                self.sealed_chunks += 1;
            }
        }
        if open.count == 0 {
            open.base = t;
        }
        let at = usize::from(open.count);
        open.offsets[at] = (t - open.base) as u32;
        open.bits[at] = bits;
        open.count += 1;
    }

    fn seal_floats(&mut self) {
        if let Some(open) = &mut self.open
            && open.count > 0
        {
            seal_open(open, &mut self.sealed);
            self.sealed_chunks += 1;
        }
    }

    /// Compresses everything that is open.
    fn seal(&mut self) {
        self.seal_floats();
        if let Some(rare) = &mut self.rare {
            if !rare.open.is_empty() {
                self.sealed_chunks += seal_rare(&mut rare.open, &mut self.sealed);
            }
            if !rare.late.is_empty() {
                self.sealed_chunks += seal_late(&mut rare.late, &mut self.sealed);
            }
        }
    }

    /// Seals all samples and appends the chunks that no block has to `out`; they stay here until [`Series::drop_durable`].
    /// Answers false, and lets go of the open chunk, where there are none. `now` counts seconds.
    pub(crate) fn begin_flush(&mut self, now: u32, out: &mut Vec<u8>) -> bool {
        if self.last_kind == LastKind::Histogram {
            self.note_last_histogram();
        }
        self.seal();
        self.rare = None;
        self.flushing = self.sealed.len() as u32;
        if self.flushing == self.durable {
            self.open = None;
            self.is_active = false;
            return false;
        }
        self.flushed_at = now;
        out.extend_from_slice(&self.sealed[self.durable as usize..]);
        true
    }

    /// Keeps a hash of the newest sample, which is about to leave.
    fn note_last_histogram(&mut self) {
        let mut known = SampleBuffer::default();
        let _ = self.read(TimeRange::new(self.last_time, self.last_time), false, &mut known);
        if let Some((_, histogram)) = known.histograms.first() {
            self.last_bits = hash_of(histogram);
        }
    }

    /// What [`Series::begin_flush`] has answered is in blocks now. It stays for readers that began before.
    pub(crate) fn flushed(&mut self) {
        self.durable = self.durable.max(self.flushing);
        self.flushing = 0;
    }

    /// Samples in `range` are deleted from the blocks. Where the newest one is among them and nothing came since, whatever is
    /// sent again from the beginning of the range on is taken again.
    pub(crate) fn forget_newest(&mut self, range: TimeRange) {
        let is_in_blocks = !self.has_open() && self.sealed.len() == self.durable as usize;
        if is_in_blocks && range.contains(model::Timestamp(self.last_time)) {
            self.last_time = range.start.ms().saturating_sub(1);
            self.last_kind = LastKind::Unknown;
        }
    }

    /// A flush failed; its chunks stay as they are.
    pub(crate) fn keep_unflushed(&mut self) {
        self.flushing = 0;
    }

    /// Drops what is in blocks: every reader reads it there.
    pub(crate) fn drop_durable(&mut self) {
        let durable = std::mem::take(&mut self.durable) as usize;
        if durable == 0 {
            return;
        }
        self.sealed = self.sealed[durable..].to_vec();
        let spans = chunk::listed(&self.sealed).filter_map(|piece| chunk::span(piece.ok()?).ok());
        self.sealed_chunks = chunk::listed(&self.sealed).count() as u32;
        let sealed_first = spans.map(|span| span.range.start.ms()).min();
        let open_first = self.open.as_ref().and_then(|open| open.times().next());
        let rare = self.rare.as_ref().map(|rare| [&rare.open, &rare.late]);
        let rare_first = rare.into_iter().flatten().filter_map(|buffer| buffer.timestamps.iter().min().copied()).min();
        self.first_time = [sealed_first, open_first, rare_first].into_iter().flatten().min().unwrap_or(i64::MAX);
    }

    /// True where the series has nothing in memory and nothing to wait for: it went stale, or no flush of the last `idle`
    /// seconds found samples.
    pub(crate) fn is_finished(&self, now: u32, idle: u32) -> bool {
        let is_over = self.is_stale || now.saturating_sub(self.flushed_at) >= idle;
        is_over && !self.is_active && !self.is_retired && self.is_empty()
    }

    /// The newest sample of all, where it is a float of which no block can know.
    pub(crate) fn newest_float(&self) -> Option<(i64, f64)> {
        let open = self.open.as_ref()?;
        let last = open.offsets[..usize::from(open.count)].last()?;
        let is_newest = open.base + i64::from(*last) == self.last_time;
        is_newest.then(|| (self.last_time, f64::from_bits(self.last_bits)))
    }

    /// Appends the samples in memory that lie in `range`, in the order of writing, which need not be the order of time;
    /// without those that are in blocks already where the reader sees these blocks.
    pub(crate) fn read(&self, range: TimeRange, sees_blocks: bool, out: &mut SampleBuffer) -> Result<(), Damaged> {
        let from = if sees_blocks { self.durable as usize } else { 0 };
        for piece in chunk::listed(&self.sealed[from..]) {
            chunk::decode(piece?, range, out)?;
        }
        if let Some(open) = &self.open {
            for (t, bits) in open.times().zip(&open.bits) {
                if range.contains(model::Timestamp(t)) {
                    out.push_float(t, f64::from_bits(*bits));
                }
            }
        }
        let Some(rare) = &self.rare else { return Ok(()) };
        for buffer in [&rare.open, &rare.late] {
            for row in 0..buffer.len() {
                if range.contains(model::Timestamp(buffer.timestamps[row])) {
                    out.push_row(buffer, row);
                }
            }
        }
        Ok(())
    }
}

fn seal_open(open: &mut Open, sealed: &mut Vec<u8>) {
    let count = usize::from(open.count);
    let mut times = [0; OPEN_SAMPLES];
    times.iter_mut().zip(open.times()).for_each(|(slot, t)| *slot = t);
    let mut bytes = Vec::with_capacity(64);
    chunk::encode_floats(&times[..count], &open.bits[..count], &mut bytes);
    push_sealed(&bytes, sealed);
    open.count = 0;
}
