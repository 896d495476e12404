//! The catalogue on disks that fail and crash.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use blocks::catalogue::{
    BlockEntry, Catalogue, MIRROR_NAME, Manifest, Recovery, Source, StoredMatcher, Tombstone, block_id, file_name,
};
use blocks::disk::Disk;
use blocks::faults::{FaultRates, FaultyDisk};
use blocks::files::{FaultyFiles, FileFaults, FileStore, LocalFiles, MemoryFiles};
use model::{MatchOp, Matcher, Tenant, TimeRange, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const PATH: &str = "m/catalogue.json";

/// A file whose bytes are its entry.
fn put(disk: &dyn Disk, files: &dyn FileStore, entry: &BlockEntry) -> io::Result<()> {
    let path = Path::new("m/tmp").join(entry.file_name());
    let mut file = disk.create(&path)?;
    file.write_all(&serde_json::to_vec(entry).unwrap())?;
    file.sync()?;
    files.put(&entry.file_name(), &path)
}

fn open(disk: &FaultyDisk, files: &Arc<dyn FileStore>) -> io::Result<(Catalogue, Recovery)> {
    let read = |name: &str| Ok(serde_json::from_slice(&files.read(name)?)?);
    Catalogue::open(Arc::new(disk.clone()), Path::new(PATH), files.clone(), &read)
}

fn local(disk: &FaultyDisk) -> Arc<dyn FileStore> {
    Arc::new(LocalFiles::new(Arc::new(disk.clone()), "m/blocks").unwrap())
}

fn entry(id: u64) -> BlockEntry {
    let mut entry = BlockEntry::new(id, Tenant::default(), 0, Timestamp(5));
    entry.range = TimeRange::new(id as i64 * 10, id as i64 * 10 + 9);
    entry
}

fn ids(catalogue: &Catalogue) -> Vec<u64> {
    catalogue.snapshot().blocks.iter().map(|block| block.id).collect()
}

#[test]
fn a_commit_is_found_again() {
    let disk = FaultyDisk::new(1);
    let files = local(&disk);
    let (catalogue, recovery) = open(&disk, &files).unwrap();
    assert_eq!(recovery.source, Source::Fresh);
    let first = entry(catalogue.reserve_id());
    put(&disk, files.as_ref(), &first).unwrap();
    let committed = catalogue
        .commit(|manifest| {
            manifest.replace(&[], [first.clone()]);
            manifest.wal_from = 7;
        })
        .unwrap();
    let leftover = entry(catalogue.reserve_id());
    put(&disk, files.as_ref(), &leftover).unwrap();
    disk.crash();
    let (catalogue, recovery) = open(&disk, &files).unwrap();
    assert_eq!(recovery.source, Source::Manifest);
    assert_eq!(recovery.removed, [leftover.file_name()]);
    assert_eq!(catalogue.snapshot().as_ref(), &Manifest { next_id: 3, ..committed.as_ref().clone() });
    assert_eq!(ids(&catalogue), [first.id]);
    assert!(catalogue.reserve_id() > leftover.id);
}

fn add(disk: &FaultyDisk, files: &dyn FileStore, catalogue: &Catalogue) -> u64 {
    let block = entry(catalogue.reserve_id());
    put(disk, files, &block).unwrap();
    catalogue.commit(|manifest| manifest.replace(&[], [block.clone()])).unwrap();
    block.id
}

#[test]
fn file_names_stand_for_ids() {
    for id in [0, 1, 0xabc, u64::MAX] {
        assert_eq!(block_id(&file_name(id)), Some(id));
    }
    for name in [
        "",
        ".parquet",
        "1.parquet",
        "000000000000000G.parquet",
        "0000000000000001.PARQUET",
        "00000000000000AB.parquet",
    ] {
        assert_eq!(block_id(name), None, "{name}");
    }
}

#[test]
fn everything_in_a_manifest_is_kept() {
    let disk = FaultyDisk::new(1);
    let files = local(&disk);
    let (catalogue, _) = open(&disk, &files).unwrap();
    let mut block = entry(catalogue.reserve_id());
    block.rules = vec![u64::MAX];
    block.range = TimeRange::ALL;
    put(&disk, files.as_ref(), &block).unwrap();
    let matcher = Matcher::new("a\"b", MatchOp::NotRegex, "x.*\n").unwrap();
    let tombstone = Tombstone {
        id: catalogue.reserve_id(),
        tenant: Tenant::new("t!").unwrap(),
        matchers: vec![StoredMatcher::from(&matcher)],
        range: TimeRange::new(-5, 5),
        newest_block: 1,
        filter: None,
    };
    let committed = catalogue
        .commit(|manifest| {
            manifest.replace(&[], [block.clone()]);
            manifest.tombstones.push(tombstone.clone());
        })
        .unwrap();
    assert!(!tombstone.concerns(&block));
    let (catalogue, _) = open(&disk, &files).unwrap();
    assert_eq!(catalogue.snapshot(), committed);
    assert_eq!(catalogue.snapshot().tombstones[0].matchers[0].matcher().unwrap(), matcher);
}

#[test]
fn any_damaged_byte_is_got_over() {
    let disk = FaultyDisk::new(1);
    let files = local(&disk);
    let (catalogue, _) = open(&disk, &files).unwrap();
    let first = add(&disk, files.as_ref(), &catalogue);
    let second = add(&disk, files.as_ref(), &catalogue);
    catalogue.commit(|manifest| manifest.wal_from = 9).unwrap();
    let good = disk.read(Path::new(PATH)).unwrap();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            disk.replace(Path::new(PATH), &bad).unwrap();
            let (catalogue, recovery) = open(&disk, &files).unwrap();
            assert_eq!(recovery.source, Source::Copy, "byte {at} bit {bit}");
            assert_eq!(ids(&catalogue), [first, second]);
            assert_eq!(catalogue.snapshot().wal_from, 9);
            assert_eq!(recovery.problems.len(), 1, "{recovery:?}");
        }
    }
    // cut anywhere, and the copy gone too: the files tell
    for length in 0..good.len() {
        disk.replace(Path::new(PATH), &good[..length]).unwrap();
        disk.replace(Path::new("m/catalogue.copy.json"), b"{").unwrap();
        let (catalogue, recovery) = open(&disk, &files).unwrap();
        assert_eq!((recovery.source, ids(&catalogue)), (Source::Files, vec![first, second]));
        assert_eq!(catalogue.snapshot().wal_from, 0);
        assert!(catalogue.reserve_id() > second);
    }
}

#[test]
fn a_newer_format_is_not_touched() {
    let disk = FaultyDisk::new(1);
    let files = local(&disk);
    add(&disk, files.as_ref(), &open(&disk, &files).unwrap().0);
    let body = "{}";
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&2_u32.to_le_bytes());
    hasher.update(body.as_bytes());
    let text = format!("{{\"catalogue\":2,\"crc32\":\"{:08x}\",\"manifest\":{body}}}\n", hasher.finalize());
    disk.replace(Path::new(PATH), text.as_bytes()).unwrap();
    let error = open(&disk, &files).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("newer Afferent"), "{error}");
    assert_eq!(files.list().unwrap().len(), 1);
}

#[test]
fn a_rebuild_drops_what_others_replace() {
    let disk = FaultyDisk::new(1);
    let files = local(&disk);
    let mut merged = entry(3);
    merged.replaces = vec![1, 2];
    for block in [entry(1), entry(2), merged, entry(4)] {
        put(&disk, files.as_ref(), &block).unwrap();
    }
    files.put_bytes(&file_name(5), b"no entry").unwrap();
    files.put_bytes("notes", b"not ours").unwrap();
    for source in [Source::Files, Source::Manifest] {
        let (catalogue, recovery) = open(&disk, &files).unwrap();
        assert_eq!((recovery.source, ids(&catalogue)), (source, vec![3, 4]));
        assert_eq!(recovery.unreadable, [file_name(5)]);
        assert_eq!(catalogue.reserve_id(), 6);
        let left: Vec<String> = files.list().unwrap().into_iter().map(|file| file.name).collect();
        assert_eq!(left, [file_name(3), file_name(4), file_name(5), "notes".to_owned()]);
    }
    // the file turns out to be readable after all
    put(&disk, files.as_ref(), &entry(5)).unwrap();
    let (catalogue, recovery) = open(&disk, &files).unwrap();
    assert_eq!((ids(&catalogue), recovery.adopted), (vec![3, 4, 5], vec![5]));
}

#[test]
fn a_missing_file_comes_back() {
    let disk = FaultyDisk::new(1);
    let files = local(&disk);
    let (catalogue, _) = open(&disk, &files).unwrap();
    let id = add(&disk, files.as_ref(), &catalogue);
    files.remove(&file_name(id)).unwrap();
    for _ in 0..2 {
        let (catalogue, recovery) = open(&disk, &files).unwrap();
        assert_eq!((recovery.missing, ids(&catalogue)), (vec![id], vec![]));
    }
    put(&disk, files.as_ref(), &entry(id)).unwrap();
    let (catalogue, recovery) = open(&disk, &files).unwrap();
    assert_eq!((recovery.missing, recovery.removed, ids(&catalogue)), (vec![], vec![], vec![id]));
}

struct Remote {
    files: FaultyFiles,
    store: Arc<dyn FileStore>,
}

fn remote(disk: &FaultyDisk, seed: u64) -> Remote {
    let files = FaultyFiles::new(Arc::new(MemoryFiles::new(Arc::new(disk.clone()))), seed);
    Remote { store: Arc::new(files.clone()), files }
}

#[test]
fn a_lost_disk_starts_from_the_bucket() {
    let disk = FaultyDisk::new(1);
    let Remote { files: faults, store: files } = remote(&disk, 1);
    let (catalogue, _) = open(&disk, &files).unwrap();
    let first = add(&disk, files.as_ref(), &catalogue);
    catalogue.commit(|manifest| manifest.wal_from = 9).unwrap();
    assert!(!catalogue.mirror_is_behind());
    let lose = || ["m/catalogue.json", "m/catalogue.copy.json"].map(|path| disk.remove(Path::new(path)).unwrap());
    lose();
    // without an answer nobody knows what counts
    faults.set_faults(FileFaults { down: true, ..FileFaults::default() });
    let error = open(&disk, &files).unwrap_err().to_string();
    assert!(error.contains("no catalogue is here, and memory cannot be read"), "{error}");
    faults.set_faults(FileFaults::default());
    let (catalogue, recovery) = open(&disk, &files).unwrap();
    assert_eq!((recovery.source, ids(&catalogue)), (Source::Mirror, vec![first]));
    assert_eq!(catalogue.snapshot().wal_from, 0, "the log was lost with the disk");

    // the bucket is away during a commit: the commit counts, and the bucket follows later
    faults.set_faults(FileFaults { down: true, ..FileFaults::default() });
    catalogue.commit(|manifest| manifest.wal_from = 11).unwrap();
    assert!(catalogue.mirror_is_behind());
    let (catalogue, recovery) = open(&disk, &files).unwrap();
    assert_eq!((recovery.source, ids(&catalogue)), (Source::Manifest, vec![first]));
    assert!(!recovery.problems.is_empty());
    faults.set_faults(FileFaults::default());
    catalogue.mirror().unwrap();
    assert!(!catalogue.mirror_is_behind());

    // an old copy of the disk comes back: what the bucket got since is not removed
    let old = disk.read(Path::new(PATH)).unwrap();
    let second = add(&disk, files.as_ref(), &catalogue);
    disk.replace(Path::new(PATH), &old).unwrap();
    let (catalogue, recovery) = open(&disk, &files).unwrap();
    assert_eq!((recovery.source, ids(&catalogue)), (Source::Mirror, vec![first, second]));
    assert_eq!(catalogue.snapshot().wal_from, 11);

    // another store does not take this bucket
    let other = FaultyDisk::new(2);
    open(&other, &local(&other)).unwrap();
    let error = open(&other, &files).unwrap_err().to_string();
    assert!(error.contains("another Afferent"), "{error}");
    assert_eq!(files.list().unwrap().len(), 3);
    assert!(files.read(MIRROR_NAME).is_ok());
}

/// One history: flushes and compactions with faults and crashes; what was committed must be there after each start.
fn history(seed: u64, in_bucket: bool) {
    let mut random = StdRng::seed_from_u64(seed);
    let disk = FaultyDisk::new(seed);
    let (files, faults) = if in_bucket {
        let Remote { files: faults, store } = remote(&disk, seed);
        (store, Some(faults))
    } else {
        (local(&disk), None)
    };
    // Each block carries the samples (numbers) it holds, in `rules`.
    let mut committed: BTreeSet<u64> = BTreeSet::new();
    let mut given: BTreeSet<u64> = BTreeSet::new();
    let mut next_sample = 0;
    for _ in 0..4 {
        let quiet = |on: bool| {
            let rates = FaultRates { torn_write: 60, failed_sync: 60, failed_name: 60, ..FaultRates::default() };
            disk.set_rates(if on { FaultRates::default() } else { rates });
            if let Some(faults) = &faults {
                let some = FileFaults { failed: 60, lost_answer: 60, ..FileFaults::default() };
                faults.set_faults(if on { FileFaults::default() } else { some });
            }
        };
        // A start meets a disk that works, or one that fails; both must get it over.
        quiet(in_bucket || random.random());
        let (catalogue, recovery) = open(&disk, &files).unwrap_or_else(|error| panic!("{seed}: {error}"));
        let snapshot = catalogue.snapshot();
        let there: BTreeSet<u64> = snapshot.blocks.iter().flat_map(|block| block.rules.iter().copied()).collect();
        assert!(there.is_superset(&committed), "{seed}: {committed:?} {there:?} {recovery:?}");
        assert!(recovery.missing.is_empty() && recovery.unreadable.is_empty(), "{seed}: {recovery:?}");
        committed = there;
        quiet(false);
        for _ in 0..random.random_range(1..12) {
            let snapshot = catalogue.snapshot();
            let fresh: Vec<u64> = (0..random.random_range(1..4)).map(|i| next_sample + i).collect();
            let merging = snapshot.blocks.len() > 1 && random.random();
            let inputs: Vec<u64> =
                if merging { snapshot.blocks.iter().take(2).map(|b| b.id).collect() } else { vec![] };
            let samples: Vec<u64> = if merging {
                let merged = snapshot.blocks.iter().take(2).flat_map(|block| block.rules.iter().copied());
                merged.collect()
            } else {
                next_sample += fresh.len() as u64;
                fresh
            };
            // A job with two outputs: only the last one names the inputs.
            let (left, right) = samples.split_at(samples.len() / 2);
            let mut outputs = Vec::new();
            let mut written = Ok(());
            for part in [left, right].into_iter().filter(|part| !part.is_empty()) {
                let mut block = entry(catalogue.reserve_id());
                assert!(
                    given.insert(block.id) || catalogue.snapshot().block(block.id).is_none(),
                    "{seed}: id given twice"
                );
                block.rules = part.to_vec();
                if std::ptr::eq(part, right) {
                    block.replaces = inputs.clone();
                }
                written = put(&disk, files.as_ref(), &block);
                outputs.push(block);
                if written.is_err() {
                    break;
                }
            }
            if written.is_err() || catalogue.commit(|manifest| manifest.replace(&inputs, outputs)).is_err() {
                continue;
            }
            committed.extend(&samples);
            for id in inputs {
                let _ = files.remove(&file_name(id));
            }
        }
        // One of the manifests may be damaged, or all.
        disk.crash();
        match random.random_range(0..6) {
            0 => drop(disk.corrupt("catalogue.json")),
            1 => drop(disk.corrupt("catalogue.copy.json")),
            2 => {
                disk.corrupt("catalogue.json");
                disk.corrupt("catalogue.copy.json");
            }
            _ => {}
        }
    }
}

#[test]
fn what_was_committed_survives_crashes_and_damage() {
    (0..600).for_each(|seed| history(seed, false));
}

#[test]
fn what_was_committed_survives_with_a_failing_bucket() {
    (0..400).for_each(|seed| history(seed, true));
}

#[test]
fn no_bytes_make_the_start_fail() {
    let disk = FaultyDisk::new(1);
    let files = local(&disk);
    let (catalogue, _) = open(&disk, &files).unwrap();
    let id = add(&disk, files.as_ref(), &catalogue);
    let good = disk.read(Path::new(PATH)).unwrap();
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..2_000 {
        let mut bad = good.clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..bad.len());
            match random.random_range(0..3) {
                0 => bad[at] = random.random(),
                1 => drop(bad.splice(at..at, good[..at.min(good.len())].to_vec())),
                _ => drop(bad.drain(at..(at + 9).min(bad.len() - 1).max(at))),
            }
        }
        disk.replace(Path::new(PATH), &bad).unwrap();
        assert_eq!(ids(&open(&disk, &files).unwrap().0), [id]);
    }
}
