//! Damaged blocks: a precise error or what was there before, never a panic, never other samples.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tsdb::{Block, Piece, TsdbError, find_blocks};

use super::{data, read_all};

/// A copy of a block that may be damaged.
fn copy_of(name: &str) -> (tempfile::TempDir, PathBuf) {
    let from = find_blocks(&data(name)).unwrap().remove(0);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("block");
    std::fs::create_dir_all(to.join("chunks")).unwrap();
    for file in ["meta.json", "index", "tombstones", "chunks/000001"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    (dir, to)
}

fn shown(pieces: &[Piece]) -> String {
    format!("{pieces:?}")
}

fn damage(file: &Path, at: usize, mask: u8) -> TsdbError {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= mask;
    std::fs::write(file, bytes).unwrap();
    read_all(file.parent().filter(|dir| dir.ends_with("block")).unwrap_or(file.parent().unwrap().parent().unwrap()))
        .unwrap_err()
}

#[test]
fn an_error_names_the_file_and_the_place() {
    let (_dir, block) = copy_of("histograms");
    let file = block.join("chunks/000001");
    let error = damage(&file, 40, 1);
    let TsdbError::Damaged { path, offset, reason } = &error else { panic!("{error}") };
    assert_eq!((path, *offset), (&file, 8));
    assert!(reason.starts_with("the checksum of a chunk does not match, in {"), "{reason}");
    let (_dir, block) = copy_of("floats");
    let error = damage(&block.join("tombstones"), 8, 1);
    assert!(
        error.to_string().ends_with("tombstones is damaged at byte 5: the checksum of the tombstones does not match")
    );
    let (_dir, block) = copy_of("floats");
    let error = damage(&block.join("index"), 4, 3);
    assert!(error.to_string().contains("version 1 of the index is not read"), "{error}");
}

#[test]
fn what_is_damaged_costs_itself_alone() {
    let (_dir, path) = copy_of("floats");
    let walk = || {
        let block = Block::open(&path).unwrap();
        let (pieces, errors): (Vec<_>, Vec<_>) = block.series().unwrap().partition(Result::is_ok);
        let samples: usize = pieces.into_iter().map(|piece| piece.unwrap().samples.len()).sum();
        (samples, errors.len())
    };
    let (all, none) = walk();
    assert_eq!(none, 0);
    let flip = |file: &str, at: usize| {
        let file = path.join(file);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    };
    let chunks = std::fs::metadata(path.join("chunks/000001")).unwrap().len() as usize;
    flip("chunks/000001", chunks / 2);
    let (left, errors) = walk();
    assert!(errors == 1 && left < all && left > 0, "{left} of {all}, {errors} errors");
    flip("chunks/000001", chunks / 2);
    assert_eq!(walk(), (all, 0));
    // A series in the index.
    let bytes = std::fs::read(path.join("index")).unwrap();
    let offsets = bytes.len() - 52; // of the symbols, the series ...
    let series = u64::from_be_bytes(bytes[offsets + 8..offsets + 16].try_into().unwrap());
    flip("index", series as usize + 6);
    let (left, errors) = walk();
    assert!(errors == 1 && left < all && left > 0, "{left} of {all}, {errors} errors");
}

#[test]
fn flipped_and_missing_bytes_are_found_or_do_no_harm() {
    let mut random = StdRng::seed_from_u64(7);
    for name in ["floats", "histograms"] {
        let (_dir, block) = copy_of(name);
        let sound = shown(&read_all(&block).unwrap());
        let mut errors = 0;
        for round in 0..120 {
            let file = block.join(["index", "chunks/000001", "tombstones"][random.random_range(0..3)]);
            let bytes = std::fs::read(&file).unwrap();
            let mut damaged = bytes.clone();
            if round % 4 == 0 {
                damaged.truncate(random.random_range(0..damaged.len()));
            } else {
                for _ in 0..random.random_range(1..4) {
                    let at = random.random_range(0..damaged.len());
                    damaged[at] ^= random.random_range(1..=255_u8);
                }
            }
            std::fs::write(&file, &damaged).unwrap();
            match read_all(&block) {
                Ok(pieces) => assert!(shown(&pieces) == sound, "other samples after damage to {}", file.display()),
                Err(_) => errors += 1,
            }
            std::fs::write(&file, &bytes).unwrap();
        }
        assert!(errors > 60, "{errors}");
    }
}
