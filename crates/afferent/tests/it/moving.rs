//! Data that moves in from a Prometheus and out again.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, TimestampMillisecondType};
use model::Clock;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::harness::{Server, http_get};

fn afferent(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_afferent")).args(args).output().expect("the binary runs")
}

fn succeed(args: &[&str]) -> String {
    let output = afferent(args);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {told}");
    told
}

fn blocks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tsdb/tests/data/floats")
}

/// Lines of samples in order, with numbers as numbers.
fn samples(text: &str) -> Vec<(String, String, i64)> {
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut parts = line.rsplitn(3, ' ');
            let ms = (parts.next().unwrap().parse::<f64>().unwrap() * 1000.0).round() as i64;
            let value = parts.next().unwrap().replace("+Inf", "inf").parse::<f64>().unwrap();
            (parts.next().unwrap().to_owned(), format!("{value:e}"), ms)
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn blocks_of_prometheus_go_in_and_come_out_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (data, text) = (path("data"), path("out.txt"));
    let told = succeed(&["import", "tsdb", blocks().to_str().unwrap(), "--data", &data]);
    assert!(told.contains("imported 800 samples as 1 block; read: 3 series, 800 samples in 2 blocks"), "{told}");
    let told = succeed(&["export", "--data", &data, "--format", "openmetrics", "-o", &text]);
    assert!(told.contains("exported 3 series, 800 samples"), "{told}");
    let exported = std::fs::read_to_string(&text).unwrap();
    let original = std::fs::read_to_string(blocks().with_extension("openmetrics.txt")).unwrap();
    assert!(exported.ends_with("# EOF\n"));
    assert!(samples(&exported) == samples(&original));

    // Our own text reads back, with what it says of families.
    let described = exported.replace("# TYPE temp unknown", "# TYPE temp gauge\n# HELP temp How \"warm\"\\n it is.");
    let (second, again) = (path("second"), path("again.txt"));
    std::fs::write(&text, &described).unwrap();
    succeed(&["import", "openmetrics", &text, "--data", &second]);
    succeed(&["export", "--data", &second, "--format", "openmetrics", "-o", &again]);
    let again = std::fs::read_to_string(&again).unwrap();
    assert!(
        again.contains("# TYPE temp gauge\n# HELP temp How \\\"warm\\\"\\n it is.\n"),
        "{}",
        &again[again.len() - 300..]
    );
    assert!(samples(&again) == samples(&original));

    let part = path("part.txt");
    let selected = ["--match", "http_requests_total{code=\"500\"}", "--from", "1760000015", "--to", "1760000045"];
    succeed(&[&["export", "--data", &second, "--format", "openmetrics", "-o", &part][..], &selected].concat());
    assert_eq!(samples(&std::fs::read_to_string(&part).unwrap()).len(), 3);
}

#[test]
fn parquet_has_a_row_for_each_sample() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (data, table) = (path("data"), path("out.parquet"));
    succeed(&["import", "tsdb", blocks().to_str().unwrap(), "--data", &data]);
    succeed(&["export", "--data", &data, "--format", "parquet", "-o", &table]);
    let file = std::fs::File::open(&table).unwrap();
    let mut lines = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let metrics = batch.column_by_name("metric").unwrap().as_dictionary::<Int32Type>().clone();
        let metrics = metrics.downcast_dict::<arrow_array::StringArray>().unwrap();
        let labels = batch.column_by_name("labels").unwrap().as_map();
        let times = batch.column_by_name("timestamp").unwrap().as_primitive::<TimestampMillisecondType>();
        let values = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>();
        for (row, metric) in metrics.into_iter().enumerate() {
            let pairs = labels.value(row);
            let (names, texts) = (pairs.column(0).as_string::<i32>(), pairs.column(1).as_string::<i32>());
            let pairs: Vec<String> =
                (0..pairs.len()).map(|i| format!("{}=\"{}\"", names.value(i), texts.value(i))).collect();
            let series = format!("{}{{{}}}", metric.unwrap(), pairs.join(","));
            lines.push((series, format!("{:e}", values.value(row)), times.value(row)));
        }
    }
    lines.sort();
    let original = std::fs::read_to_string(blocks().with_extension("openmetrics.txt")).unwrap();
    assert!(lines == samples(&original));
}

#[test]
fn what_cannot_be_taken_over_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (data, text) = (path("data"), path("in.txt"));
    std::fs::write(&text, "a 1 1\nb 2\n# EOF\n").unwrap();
    let refused = afferent(&["import", "openmetrics", &text, "--data", &data]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("a sample of {__name__=\"b\"} has no timestamp"), "{told}");
    let told = succeed(&["export", "--data", &data, "--format", "openmetrics", "-o", &path("out.txt")]);
    assert!(told.contains("exported 0 series"), "{told}");
    assert_eq!(std::fs::read_to_string(path("out.txt")).unwrap(), "# EOF\n");
    assert_eq!(afferent(&["import", "tsdb", &path("none"), "--data", &data]).status.code(), Some(1));
}

#[test]
fn promtool_reads_what_is_exported() {
    let promtool = std::env::var_os("AFFERENT_PEERS").map(|dir| PathBuf::from(dir).join("usr/bin/promtool"));
    let Some(promtool) = promtool.filter(|path| path.is_file()) else {
        println!("skipped: no promtool to read an export; set AFFERENT_PEERS to a directory with usr/bin/promtool");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    succeed(&["import", "tsdb", blocks().to_str().unwrap(), "--data", &path("data")]);
    succeed(&["export", "--data", &path("data"), "--format", "openmetrics", "-o", &path("out.txt")]);
    let made = Command::new(promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics", &path("out.txt"), &path("blocks")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let told = succeed(&["import", "tsdb", &path("blocks"), "--data", &path("again")]);
    assert!(told.contains("800 samples"), "{told}");
}

/// A copy of a block's directory with a byte of one file changed.
fn damaged_copy(from: &Path, to: &Path, file: &str, at: impl Fn(usize) -> usize) {
    std::fs::create_dir_all(to.join("chunks")).unwrap();
    for name in ["meta.json", "index", "tombstones", "chunks/000001"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let mut bytes = std::fs::read(to.join(file)).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    std::fs::write(to.join(file), bytes).unwrap();
}

#[test]
fn what_is_damaged_does_not_end_a_move() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(blocks()).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.sort();
    damaged_copy(&dirs[0], &directory.path().join("source/01A"), "chunks/000001", |length| length / 2);
    damaged_copy(&dirs[1], &directory.path().join("source/01B"), "meta.json", |_| 0);
    let imported = afferent(&["import", "tsdb", &path("source"), "--data", &path("data")]);
    let told = String::from_utf8(imported.stderr).unwrap();
    assert_eq!(imported.status.code(), Some(1), "{told}");
    assert!(told.contains("left out: ") && told.contains("chunks/000001 is damaged at byte "), "{told}");
    assert!(told.contains("meta.json") && told.contains("in 1 block, 2 damaged parts left out"), "{told}");

    // What is left goes out again; with a damaged block of ours that is told as well.
    let told = succeed(&["export", "--data", &path("data"), "--format", "openmetrics", "-o", &path("whole.txt")]);
    assert!(told.contains("exported 3 series"), "{told}");
    let own = std::fs::read_dir(directory.path().join("data/metrics/blocks")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&own).unwrap();
    bytes[8] ^= 1;
    std::fs::write(&own, bytes).unwrap();
    let exported = afferent(&["export", "--data", &path("data"), "--format", "openmetrics", "-o", &path("part.txt")]);
    let told = String::from_utf8(exported.stderr).unwrap();
    assert_eq!(exported.status.code(), Some(1), "{told}");
    let name = own.file_name().unwrap().to_str().unwrap();
    assert!(told.contains("incomplete: ") && told.contains(name) && told.contains("exported "), "{told}");
    let (whole, part) =
        (std::fs::read_to_string(path("whole.txt")).unwrap(), std::fs::read_to_string(path("part.txt")).unwrap());
    assert!(samples(&part).len() < samples(&whole).len() && part.ends_with("# EOF\n"));
}

#[test]
fn tenants_are_moved_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (data, text) = (path("data"), path("in.txt"));
    std::fs::write(
        &text,
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1 1 # {id=\"x\"} 0.5\nh_bucket{le=\"+Inf\"} 1 1\n# EOF\n",
    )
    .unwrap();
    succeed(&["import", "openmetrics", &text, "--data", &data, "--tenant", "blue"]);
    let export = |tenant: &[&str], to: &str| {
        let arguments = ["export", "--data", &data, "--format", "openmetrics", "-o", to];
        succeed(&[&arguments[..], tenant].concat());
        std::fs::read_to_string(to).unwrap()
    };
    assert_eq!(export(&[], &path("default.txt")), "# EOF\n");
    let blue = export(&["--tenant", "blue"], &path("blue.txt"));
    assert!(blue.contains("h_bucket{le=\"1.0\"} 1 1.000"), "{blue}");
    let refused = afferent(&["import", "openmetrics", &text, "--data", &data, "--tenant", "a/b"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn samples_go_through_a_running_server() {
    let server = Server::start("scrape_configs: []\n");
    let text = server.directory().join("in.txt");
    let now = model::SystemClock.now().ms() / 1000;
    let lines: String = (0..500).map(|i| format!("moved_total{{i=\"{}\"}} {i} {}\n", i % 7, now - 600 + i)).collect();
    std::fs::write(&text, format!("# TYPE moved counter\n# HELP moved What moved.\n{lines}# EOF\n")).unwrap();
    let text = text.to_str().unwrap();
    let told = succeed(&["import", "openmetrics", text, "--server", &server.url, "--tenant", "blue"]);
    assert!(told.contains("the server took 500 samples; read: 7 series, 500 samples"), "{told}");
    assert_eq!(server.query("moved_total", now as f64), serde_json::json!([]), "another tenant's");
    let told = succeed(&["import", "openmetrics", text, "--server", &server.url]);
    assert!(told.contains("the server took 500 samples"), "{told}");
    let counted = server.query("sum(count_over_time(moved_total[20m]))", now as f64);
    assert_eq!(counted[0]["value"][1], "500");
    let (_, metadata) = http_get(&server.url, "/api/v1/metadata?metric=moved_total");
    assert!(metadata.to_string().contains("What moved."), "{metadata}");

    // What the server refuses is told, and the rest is there.
    std::fs::write(text, format!("old 1 1\nnew 1 {now}\n# EOF\n")).unwrap();
    let output = afferent(&["import", "openmetrics", text, "--server", &server.url]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("the server took 1 sample and refused 1 (HTTP status 400"), "{told}");
    assert_eq!(server.query("new", now as f64)[0]["value"][1], "1");
}
