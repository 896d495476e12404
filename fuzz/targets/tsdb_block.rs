//! Blocks of a Prometheus: index, chunks and tombstones of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

const META: &str = r#"{"ulid":"01BX5ZZKBKACTAV9WEVGEMMVRZ","minTime":0,"maxTime":7200000,"stats":{},"compaction":{"level":1},"version":1}"#;

fuzz_target!(|data: &[u8]| {
    let [low, high, rest @ ..] = data else { return };
    let (index, chunks) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()));
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).expect("a writable directory");
    std::fs::create_dir(dir.path().join("chunks")).expect("a writable directory");
    write("meta.json", META.as_bytes());
    write("index", index);
    write("chunks/000001", chunks);
    let Ok(block) = tsdb::Block::open(dir.path()) else { return };
    if let Ok(series) = block.series() {
        for piece in series {
            if piece.is_err() {
                break;
            }
        }
    }
});
