use std::path::Path;
use std::sync::Arc;

use blocks::cache::Cache;
use blocks::catalogue::BlockEntry;
use blocks::disk::{Disk, RealDisk};
use blocks::shelf::OpenBlock;
use model::{Labels, Tenant, Timestamp};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

use super::{Block, BlockWriter};
use crate::entries::Entries;
use crate::page;

fn entries(stream: usize, page: i64) -> Entries {
    let mut entries = Entries::default();
    for at in 0..200 {
        let line = format!("{{\"n\":{at},\"stream\":\"s{stream}\",\"page\":{page}}}");
        let metadata = [("trace_id", format!("{at:032x}"))];
        let pairs = metadata.iter().map(|(name, value)| (*name, value.as_str()));
        entries.push(page * 1_000_000_000 + at, line.as_bytes(), pairs.take((at % 2) as usize));
    }
    entries
}

fn labels(stream: usize) -> Labels {
    let mut pairs = vec![("app".to_owned(), format!("app{stream:03}"))];
    pairs.extend((0..stream * 40).map(|n| (format!("l{stream}_{n}"), "v".to_owned())));
    Labels::from_pairs(pairs)
}

fn write(path: &Path) -> BlockEntry {
    let mut writer = BlockWriter::create(Arc::new(RealDisk), path.to_owned(), Vec::new()).unwrap();
    for stream in 0..8 {
        for at in 0..3 {
            writer.add(&labels(stream), page::encode(&entries(stream, at)).into()).unwrap();
        }
    }
    writer.finish(BlockEntry::new(7, Tenant::default(), 0, Timestamp(5))).unwrap()
}

fn open(path: &Path, entry: &BlockEntry) -> Block {
    let file = RealDisk.open(path).unwrap();
    Block::open(file, entry.clone(), &Arc::new(Cache::new(1 << 20))).unwrap()
}

#[test]
fn a_block_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("block");
    let entry = write(&path);
    assert_eq!(entry.bytes, std::fs::metadata(&path).unwrap().len());
    let found = Block::read_entry(&*RealDisk.open(&path).unwrap(), "block").unwrap();
    assert_eq!(found, entry);
    let block = open(&path, &entry);
    let index = block.index().unwrap();
    assert_eq!((index.streams.len(), index.rows.len()), (8, 24));
    for (stream, found) in index.streams.iter().enumerate() {
        assert_eq!(*found, labels(stream));
        for (at, number) in index.rows_of(stream as u32).enumerate() {
            let read = block.entries(number as u32, &index.rows[number]).unwrap();
            assert_eq!(read, entries(stream, at as i64));
        }
    }
}

#[test]
fn other_readers_of_parquet_list_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("block");
    write(&path);
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr();
    let names: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
    let place = |name: &str| schema.root_schema().get_fields().iter().position(|field| field.name() == name).unwrap();
    assert!(names.contains(&"l.app".to_owned()) && names.len() <= 200 + 9, "{} columns", names.len());
    let mut rows = 0;
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        assert_eq!(row.get_string(place("l.app")).unwrap(), &format!("app{:03}", rows / 3));
        assert_eq!(row.get_long(place("min_time")).unwrap(), (rows % 3) as i64 * 1_000_000_000);
        assert_eq!(row.get_long(place("count")).unwrap(), 200);
        assert!(!row.get_bytes(place("page")).unwrap().data().is_empty());
        rows += 1;
    }
    assert_eq!(rows, 24);
}

#[test]
fn no_flipped_bit_gives_other_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("block");
    let entry = write(&path);
    let good = std::fs::read(&path).unwrap();
    let mut found = 0;
    for at in (0..good.len()).step_by(good.len() / 150) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bad).unwrap();
        let block = open(&path, &entry);
        let Ok(index) = block.index() else {
            found += 1;
            continue;
        };
        for (number, row) in index.rows.iter().enumerate() {
            let wanted = entries(number / 3, (number % 3) as i64);
            match block.entries(number as u32, row) {
                Ok(read) => assert_eq!(read, wanted, "byte {at}"),
                Err(_) => found += 1,
            }
            let question = crate::filter::Question::of_word(b"stream");
            assert!(block.may_contain(row, &question), "byte {at}");
        }
    }
    assert!(found > 20, "{found} damaged places were noticed");
}

#[test]
fn a_damaged_index_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("block");
    let entry = write(&path);
    let encoded = open(&path, &entry).index().unwrap().encode().unwrap();
    let body = &encoded[..encoded.len() - super::index::TRAILER];
    let plain = crate::page::take_blob(&mut blocks::bytes::Reader(body)).unwrap().into_owned();
    assert_eq!(super::index::Index::decode(body).unwrap().rows.len(), 24);
    for at in 0..plain.len() {
        for damage in [0xff, 0x80, 1] {
            let mut bad = plain.clone();
            bad[at] ^= damage;
            let mut blob = Vec::new();
            blocks::bytes::put_varint(&mut blob, (bad.len() as u64) << 1);
            blob.extend_from_slice(&bad);
            let _ = super::index::Index::decode(&blob);
        }
    }
}
