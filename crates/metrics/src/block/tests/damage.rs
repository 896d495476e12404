//! A damaged block gives the right answer or says that it is damaged.

use std::io;
use std::sync::Arc;

use blocks::disk::ReadFile;
use model::{Labels, Matcher, TimeRange};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::support::{Made, Series, exact, make, service};
use crate::block::{Block, BlockEntry, Caches, CursorRow, WriterOptions, read_entry};

/// A file in memory.
#[derive(Debug)]
struct Bytes(Vec<u8>);

impl ReadFile for Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        let bytes = self.0.get(from..from + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

type Row = (Labels, Option<model::Metadata>, Vec<String>, usize);

fn read_all(bytes: Vec<u8>, entry: &BlockEntry) -> (Option<BlockEntry>, io::Result<Vec<Row>>, io::Result<Vec<u32>>) {
    let file = Arc::new(Bytes(bytes));
    let own = read_entry(&*file, "x").ok().map(|(entry, _)| entry);
    let block = Arc::new(Block::open(file, entry.clone(), Arc::new(Caches::new(1 << 20))).unwrap());
    let found = block.matching(&[Matcher::equal("job", "api")], TimeRange::ALL);
    let rows = || {
        let mut rows = Vec::new();
        let (mut cursor, mut row) = (block.cursor(), CursorRow::default());
        while cursor.next(&mut row)? {
            rows.push((row.labels.clone(), row.metadata.clone(), exact(&row.samples), row.exemplars.len()));
        }
        Ok(rows)
    };
    (own, rows(), found)
}

fn whole(made: &Made, series: &[Series]) -> (Vec<u8>, Vec<Row>) {
    let bytes = std::fs::read(&made.path).unwrap();
    let rows = series.iter().map(|s| (s.labels.clone(), s.metadata.clone(), exact(&s.samples), s.exemplars.len()));
    (bytes, rows.collect())
}

#[test]
fn a_flipped_byte_is_noticed_or_harmless() {
    let mut series = service(40, 20);
    let rare = (0..230).map(|i| (format!("rare_{i:03}"), "1".to_owned()));
    series[0].labels = Labels::from_pairs(rare);
    let made = make(&mut series, WriterOptions::default());
    let (bytes, rows) = whole(&made, &series);
    let (own, read, found) = read_all(bytes.clone(), &made.entry);
    assert_eq!((own.as_ref(), &read.unwrap()), (Some(&made.entry), &rows));
    let found = found.unwrap();

    let mut random = StdRng::seed_from_u64(11);
    let mut noticed = 0;
    for round in 0..1500 {
        let mut damaged = bytes.clone();
        // The end of the file, with all its lengths, deserves the most attention.
        let tail = damaged.len().min(2000);
        let range = if round % 3 == 0 { damaged.len() - tail..damaged.len() } else { 0..damaged.len() };
        for _ in 0..random.random_range(1..3) {
            let at = random.random_range(range.clone());
            match random.random_range(0..8) {
                0 => damaged.truncate(at.max(1)),
                _ => {
                    let at = at.min(damaged.len() - 1);
                    damaged[at] ^= 1 << random.random_range(0..8);
                }
            }
            if damaged.len() < bytes.len() {
                break;
            }
        }
        let (own_now, read_now, found_now) = read_all(damaged, &made.entry);
        if let Some(entry) = own_now {
            assert_eq!(entry, made.entry);
        }
        match read_now {
            Ok(read) => assert_eq!(read, rows, "round {round}"),
            Err(error) => {
                noticed += 1;
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
                assert!(error.to_string().contains(&made.entry.file_name()), "{error}");
            }
        }
        match found_now {
            Ok(rows) => assert_eq!(rows, found),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidData),
        }
    }
    assert!(noticed > 1400, "{noticed}");
}

#[test]
fn an_error_names_file_and_column() {
    let mut series = service(10, 20);
    let made = make(&mut series, WriterOptions::default());
    let (mut bytes, _) = whole(&made, &series);
    let layout = made.open().layout().unwrap().clone();
    let piece = layout.groups[0].chunks[layout.columns.values].pages[0];
    bytes[piece.offset as usize + piece.length as usize - 1] ^= 1;
    let error = read_all(bytes, &made.entry).1.unwrap_err().to_string();
    assert!(error.contains("0000000000000007.parquet") && error.contains("column values"), "{error}");
}
