//! A block that this machine's promtool makes on the spot. Found through `AFFERENT_PEERS`, a directory with `usr/bin/promtool`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use super::real::assert_same;

#[test]
fn what_promtool_writes_is_read() {
    let promtool = std::env::var_os("AFFERENT_PEERS").map(|dir| PathBuf::from(dir).join("usr/bin/promtool"));
    let Some(promtool) = promtool.filter(|path| path.is_file()) else {
        println!("skipped: no promtool to make a block; set AFFERENT_PEERS to a directory with usr/bin/promtool");
        return;
    };
    let mut text = String::new();
    for series in 0..200_u64 {
        for sample in 0..500_u64 {
            let seconds = 1_760_000_000 + sample * 15 + series * sample % 3;
            let value = (series * 31 + sample) as f64 / if series % 2 == 0 { 1.0 } else { 7.0 };
            writeln!(text, "load{{number=\"{series}\"}} {value} {seconds}").unwrap();
        }
    }
    text.push_str("# EOF\n");
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("text"), dir.path().join("blocks"));
    std::fs::write(&input, text).unwrap();
    let made = Command::new(promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&input, &output])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_same(&output, &input);
}
