//! The log of what is to be sent, one for all receivers. Each receiver reads it at its own pace; a segment goes when the last
//! one is through with it, or when the log is larger than it may be.
//!
//! A record holds the samples of one batch: `version u8 | samples u32 | tenant length u8 | tenant | zstd of a 2.0 message`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use blocks::disk::{Disk, RealDisk};
use blocks::wal::{self, Position, Record, SyncMode, Tail, Wal, WalOptions, segments};
use model::Tenant;
use prost::Message;
use tokio::sync::watch;

use crate::message::{RequestV2, request_v2, series_of};
use crate::series::{RemoteError, Series};

const VERSION: u8 = 1;
const HEAD: usize = 6;
const SEGMENT_BYTES: u64 = 8 << 20;
const QUEUE_BYTES: usize = 64 << 20;
/// Most bytes of one record once it is unpacked; a batch is far smaller.
const MOST_UNPACKED: usize = 256 << 20;

/// Samples of one batch, read back.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) tenant: Tenant,
    pub(crate) series: Vec<Series>,
}

/// The log, open for writing.
#[derive(Debug)]
pub(crate) struct Outbox {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    wal: Wal,
    most_bytes: u64,
    written: watch::Sender<u64>,
}

impl Outbox {
    pub(crate) fn open(dir: &Path, most_bytes: u64) -> Result<Self, RemoteError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let options = WalOptions { sync: SyncMode::Always, segment_bytes: SEGMENT_BYTES, queue_bytes: QUEUE_BYTES };
        let wal = Wal::resume(disk.clone(), dir, options)?;
        Ok(Outbox { disk, dir: dir.to_owned(), wal, most_bytes, written: watch::Sender::new(0) })
    }

    /// Returns once the samples are durable. The error says what the disk said.
    pub(crate) async fn push(&self, tenant: &Tenant, series: &[Series]) -> Result<(), String> {
        let record = encode(tenant, series);
        let commit = self.wal.submit_alone(&record).map_err(|error| error.to_string())?;
        commit.wait().await.map_err(|reason| reason.to_string())?;
        self.written.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Changes whenever something was written.
    pub(crate) fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    pub(crate) fn tail(&self, position: Position) -> Tail {
        Tail::new(self.disk.clone(), &self.dir, position)
    }

    /// Behind everything that is there.
    pub(crate) fn end(&self) -> std::io::Result<Position> {
        wal::end(&*self.disk, &self.dir)
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.wal.counters().disk_bytes.load(Ordering::Relaxed)
    }

    /// Removes segments that nobody needs, and the oldest ones beyond the size that is allowed. Answers how many samples of
    /// the latter nobody will send any more.
    pub(crate) fn trim(&self, needed_from: u64) -> std::io::Result<u64> {
        self.wal.remove_below(needed_from)?;
        let mut lost = 0;
        while self.bytes() > self.most_bytes {
            let present = segments(&*self.disk, &self.dir)?;
            let [oldest, next, ..] = present[..] else { break };
            lost += self.samples_in(oldest, next);
            self.wal.remove_below(next)?;
        }
        Ok(lost)
    }

    fn samples_in(&self, segment: u64, next: u64) -> u64 {
        let mut tail = self.tail(Position { segment, offset: 0 });
        let mut samples = 0;
        while let Ok(Some(record)) = tail.next_record() {
            if tail.position().segment >= next {
                break;
            }
            samples += u64::from(samples_of(&record).unwrap_or(0));
        }
        samples
    }

    pub(crate) fn close(&self) {
        self.wal.close();
    }
}

fn encode(tenant: &Tenant, series: &[Series]) -> Vec<u8> {
    let samples: usize = series.iter().map(|s| s.samples.len()).sum();
    let message = request_v2(series, &|_| None).encode_to_vec();
    let packed = zstd::bulk::compress(&message, 1).expect("compressing into memory cannot fail");
    let name = tenant.as_str().as_bytes();
    let mut record = Record::new();
    let payload = record.payload();
    payload.push(VERSION);
    payload.extend_from_slice(&(samples as u32).to_le_bytes());
    // Tenants are at most 150 bytes long, see `model::Tenant`.
    payload.push(name.len() as u8);
    payload.extend_from_slice(name);
    payload.extend_from_slice(&packed);
    record.seal().to_vec()
}

fn samples_of(payload: &[u8]) -> Option<u32> {
    (payload.first() == Some(&VERSION)).then_some(())?;
    Some(u32::from_le_bytes(payload.get(1..5)?.try_into().ok()?))
}

/// Reads a record; `None` where it is damaged or of a version that is not known.
pub(crate) fn decode(payload: &[u8]) -> Option<Entry> {
    samples_of(payload)?;
    let tenant_end = HEAD + usize::from(*payload.get(HEAD - 1)?);
    let tenant = Tenant::new(std::str::from_utf8(payload.get(HEAD..tenant_end)?).ok()?).ok()?;
    let message = zstd::bulk::decompress(&payload[tenant_end..], MOST_UNPACKED).ok()?;
    let series = series_of(RequestV2::decode(&*message).ok()?)?;
    Some(Entry { tenant, series })
}

#[cfg(test)]
mod tests {
    use model::{Labels, Sample, Timestamp};

    use super::*;

    fn series(name: &str, value: f64) -> Series {
        Series {
            labels: Labels::from_pairs([("__name__", name)]),
            samples: vec![Sample::float(Timestamp(1000), value)],
            exemplars: Vec::new(),
        }
    }

    fn read_all(tail: &mut Tail) -> Vec<f64> {
        let mut values = Vec::new();
        while let Some(payload) = tail.next_record().unwrap() {
            for one in decode(&payload).unwrap().series {
                let model::SampleValue::Float(value) = one.samples[0].value else { panic!("a float went in") };
                values.push(value);
            }
        }
        values
    }

    #[tokio::test]
    async fn what_was_pushed_is_read_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let tenant = Tenant::new("team-a").unwrap();
        for round in 0..3 {
            let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
            for i in 0..5 {
                outbox.push(&tenant, &[series("m", f64::from(round * 5 + i))]).await.unwrap();
            }
        }
        let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
        assert_eq!(read_all(&mut outbox.tail(Position::default())), (0..15).map(f64::from).collect::<Vec<_>>());
        let end = outbox.end().unwrap();
        outbox.push(&tenant, &[series("m", 99.0)]).await.unwrap();
        assert_eq!(read_all(&mut outbox.tail(end)), [99.0]);
        outbox.trim(end.segment + 1).unwrap();
        assert_eq!(read_all(&mut outbox.tail(Position::default())), [99.0]);
    }

    #[tokio::test]
    async fn a_log_that_is_too_large_loses_its_oldest_segments_and_says_how_much() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..6 {
            let outbox = Outbox::open(dir.path(), 1 << 30).unwrap();
            outbox.push(&Tenant::default(), &[series("m", f64::from(i))]).await.unwrap();
        }
        let outbox = Outbox::open(dir.path(), 250).unwrap();
        let lost = outbox.trim(0).unwrap();
        assert!(outbox.bytes() <= 250 && lost > 0);
        assert_eq!(read_all(&mut outbox.tail(Position::default())).len() as u64 + lost, 6);
    }

    #[test]
    fn mutated_records_are_refused_or_read_but_never_more() {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let record = encode(&Tenant::default(), &(0..20).map(|i| series("metric", f64::from(i))).collect::<Vec<_>>());
        let payload = &record[blocks::wal::FRAME..];
        let mut rng = StdRng::seed_from_u64(7);
        for _ in 0..3000 {
            let mut bytes = payload.to_vec();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            bytes.truncate(rng.random_range(0..=bytes.len()));
            let _ = decode(&bytes);
        }
    }
}
