//! Following files: rotation of every kind, restarts, receivers that are away.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::harness::{Place, numbered};
use crate::receiver::{Loki, State, pause};

pub(crate) fn each_once(loki: &Loki, expected: &[String]) {
    let counts = loki.counts();
    let missing: Vec<_> = expected.iter().filter(|line| !counts.contains_key(*line)).collect();
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(missing.is_empty() && doubled.is_empty(), "missing {missing:?}, more than once {doubled:?}");
    assert_eq!(counts.len(), expected.len(), "lines that nobody wrote");
}

#[test]
fn lines_arrive_in_order_with_labels_and_bytes_as_they_are() {
    let (place, loki) = (Place::new(), Loki::start());
    fs::write(place.path("a.log"), b"one\r\n\n\xff\xfe bytes\nno newline yet").unwrap();
    let _running = place.start(&place.config(&loki.url(), "*.log", ""));
    loki.wait_for(3);
    pause(200);
    let lines = loki.lines();
    let texts: Vec<&[u8]> = lines.iter().map(|line| line.line.as_slice()).collect();
    assert_eq!(texts, [&b"one\r"[..], b"", b"\xff\xfe bytes"]);
    assert_eq!(lines[0].labels, format!("{{app=\"test\", filename=\"{}\"}}", place.path("a.log").display()));
    assert!(lines.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp));
    place.write("a.log", &["; now it is".into()]);
    loki.wait_for(4);
    assert_eq!(loki.texts()[3], "no newline yet; now it is");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let (place, loki) = (Place::new(), Loki::start());
    let config = place.config(&loki.url(), "*.log", "");
    let mut expected = Vec::new();
    for round in 0..4 {
        let lines = numbered("line", round * 100..(round + 1) * 100);
        place.write("a.log", &lines);
        expected.extend(lines);
        let running = place.start(&config);
        loki.wait_for(expected.len());
        running.stop();
    }
    each_once(&loki, &expected);
    assert_eq!(loki.texts(), expected);
    let positions = fs::read_to_string(place.path("positions.yaml")).unwrap();
    let length = fs::metadata(place.path("a.log")).unwrap().len();
    assert!(positions.contains(&format!("a.log: \"{length}\"")), "{positions}");
}

#[test]
fn a_position_of_promtail_is_where_reading_begins() {
    let (place, loki) = (Place::new(), Loki::start());
    place.write("a.log", &numbered("line", 0..10));
    let text = format!("positions:\n  {}: \"35\"\n", place.path("a.log").display());
    fs::write(place.path("positions.yaml"), text).unwrap();
    let _running = place.start(&place.config(&loki.url(), "*.log", ""));
    loki.wait_for(5);
    pause(100);
    assert_eq!(loki.texts(), numbered("line", 5..10));
}

#[test]
fn rotation_by_renaming_loses_and_doubles_nothing() {
    for pattern in ["a.log", "a.log*"] {
        let (place, loki) = (Place::new(), Loki::start());
        let running = place.start(&place.config(&loki.url(), pattern, ""));
        let mut expected = Vec::new();
        let mut put = |lines: Vec<String>, name: &str| {
            place.write(name, &lines);
            expected.extend(lines);
        };
        for round in 0..3 {
            put(numbered(&format!("round {round} early"), 0..50), "a.log");
            // A file that comes and goes unseen is nobody's.
            pause(200);
            for generation in (1..3).rev() {
                let (from, to) = (format!("a.log.{generation}"), format!("a.log.{}", generation + 1));
                let _ = fs::rename(place.path(&from), place.path(&to));
            }
            fs::rename(place.path("a.log"), place.path("a.log.1")).unwrap();
            // The writer has the old file open for a while.
            put(numbered(&format!("round {round} late"), 0..50), "a.log.1");
            pause(200);
            put(numbered(&format!("round {round} later"), 0..50), "a.log.1");
            put(numbered(&format!("round {round} new"), 0..50), "a.log");
        }
        loki.wait_for(expected.len());
        pause(600);
        each_once(&loki, &expected);
        running.stop();
        // Nothing is read again after a restart, under whatever name it lies.
        let running = place.start(&place.config(&loki.url(), pattern, ""));
        pause(600);
        running.stop();
        each_once(&loki, &expected);
    }
}

#[test]
fn what_was_rotated_while_nobody_looked_is_read_to_its_end() {
    let (place, loki) = (Place::new(), Loki::start());
    let config = place.config(&loki.url(), "a.log", "");
    place.write("a.log", &numbered("first", 0..10));
    let running = place.start(&config);
    loki.wait_for(10);
    running.stop();
    place.write("a.log", &numbered("second", 0..10));
    fs::rename(place.path("a.log"), place.path("a.log.1")).unwrap();
    place.write("a.log", &numbered("third", 0..10));
    let _running = place.start(&config);
    loki.wait_for(30);
    let expected = [numbered("first", 0..10), numbered("second", 0..10), numbered("third", 0..10)].concat();
    each_once(&loki, &expected);
}

#[test]
fn copytruncate_loses_and_doubles_nothing() {
    for pattern in ["a.log", "a.log*"] {
        let (place, loki) = (Place::new(), Loki::start());
        let _running = place.start(&place.config(&loki.url(), pattern, ""));
        let mut expected = Vec::new();
        for round in 0..3 {
            for part in 0..2 {
                let lines = numbered(&format!("round {round} part {part}"), 0..50);
                place.write("a.log", &lines);
                expected.extend(lines);
                if part == 0 {
                    loki.wait_for(expected.len());
                }
            }
            // In the second round the last lines are not read when the file is cut.
            if round != 1 {
                loki.wait_for(expected.len());
            }
            fs::copy(place.path("a.log"), place.path(&format!("a.log.{round}"))).unwrap();
            fs::OpenOptions::new().write(true).open(place.path("a.log")).unwrap().set_len(0).unwrap();
            if round == 1 {
                loki.wait_for(expected.len());
            }
        }
        place.write("a.log", &["the end".to_owned()]);
        expected.push("the end".to_owned());
        loki.wait_for(expected.len());
        pause(1500);
        each_once(&loki, &expected);
    }
}

#[test]
fn a_file_that_is_cut_and_grows_past_its_old_size_is_read_from_its_beginning() {
    let (place, loki) = (Place::new(), Loki::start());
    let config = place.config(&loki.url(), "a.log", "");
    place.write("a.log", &numbered("old", 0..10));
    let running = place.start(&config);
    loki.wait_for(10);
    running.stop();
    fs::write(place.path("a.log"), numbered("new", 0..100).join("\n") + "\n").unwrap();
    let _running = place.start(&config);
    loki.wait_for(110);
    each_once(&loki, &[numbered("old", 0..10), numbered("new", 0..100)].concat());
}

#[test]
fn a_deleted_and_a_recreated_file_are_two_files_even_with_one_inode() {
    let (place, loki) = (Place::new(), Loki::start());
    let config = place.config(&loki.url(), "*.log", "");
    let mut expected = Vec::new();
    let running = place.start(&config);
    for round in 0..5 {
        let lines = numbered(&format!("round {round}"), 0..20);
        place.write("a.log", &lines);
        expected.extend(lines);
        loki.wait_for(expected.len());
        fs::remove_file(place.path("a.log")).unwrap();
        if round % 2 == 0 {
            pause(150);
        }
    }
    running.stop();
    // While nobody looks, the inode is used again by a file as long as the last one.
    place.write("a.log", &numbered("again!", 0..20));
    expected.extend(numbered("again!", 0..20));
    let _running = place.start(&config);
    loki.wait_for(expected.len());
    each_once(&loki, &expected);
}

#[test]
fn compressed_files_are_read_once() {
    use std::io::Write;
    let (place, loki) = (Place::new(), Loki::start());
    let text = |what: &str| numbered(what, 0..2000).join("\n") + "\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text("gz").as_bytes()).unwrap();
    fs::write(place.path("a.log.gz"), gzip.finish().unwrap()).unwrap();
    let mut bzip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip.write_all(text("bz2").as_bytes()).unwrap();
    fs::write(place.path("b.log.bz2"), bzip.finish().unwrap()).unwrap();
    fs::write(place.path("c.log.zst"), zstd::bulk::compress(text("zst").as_bytes(), 1).unwrap()).unwrap();
    let config = place.config(&loki.url(), "*.log.*", "");
    for _ in 0..2 {
        let running = place.start(&config);
        loki.wait_for(6000);
        pause(300);
        running.stop();
    }
    each_once(&loki, &[numbered("gz", 0..2000), numbered("bz2", 0..2000), numbered("zst", 0..2000)].concat());
}

#[test]
fn a_receiver_that_is_away_gets_everything_when_it_is_back() {
    let (place, loki) = (Place::new(), Loki::start());
    let (address, url) = (loki.address, loki.url());
    drop(loki);
    let running = place.start(&place.config(&url, "*.log", ""));
    place.write("a.log", &numbered("line", 0..5000));
    pause(500);
    let begun = Instant::now();
    running.stop();
    assert!(begun.elapsed().as_secs() < 8, "a stop takes {:?}", begun.elapsed());
    place.write("a.log", &numbered("line", 5000..6000));
    let running = place.start(&place.config(&url, "*.log", ""));
    pause(300);
    let loki = Loki::start_at(&address.to_string(), std::sync::Arc::new(State::default()));
    loki.wait_for(6000);
    running.stop();
    each_once(&loki, &numbered("line", 0..6000));
}

#[test]
fn a_full_buffer_holds_up_reading_and_loses_nothing() {
    let (place, loki) = (Place::new(), Loki::start());
    loki.state.status.store(503, Ordering::SeqCst);
    let config = place.config(&loki.url(), "*.log", "") + "wal: {max_size: 1MiB}\n";
    // Random text, so that it does not shrink: four times what the buffer takes.
    let mut seed = 1_u64;
    let mut word = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:016x}", seed ^ (seed >> 29))
    };
    let lines: Vec<String> =
        (0..40_000).map(|i| format!("{i} {}", (0..12).map(|_| word()).collect::<String>())).collect();
    place.write("a.log", &lines);
    let running = place.start(&config);
    pause(1500);
    let status = running.shipper.as_ref().unwrap().status();
    assert!(status.buffer_bytes >= 1 << 20 && status.buffer_bytes < 4 << 20, "{} bytes", status.buffer_bytes);
    assert!(status.files[0].offset < status.files[0].size.unwrap());
    assert!(status.receivers[0].last_error.as_deref().unwrap().contains("503"));
    loki.state.status.store(0, Ordering::SeqCst);
    loki.wait_for(lines.len());
    running.stop();
    each_once(&loki, &lines);
    assert!(loki.state.largest.load(Ordering::SeqCst) <= 1 << 20);
}

#[test]
fn what_the_receiver_refuses_is_dropped_and_the_rest_goes_on() {
    let (place, loki) = (Place::new(), Loki::start());
    loki.state.status.store(400, Ordering::SeqCst);
    let running = place.start(&place.config(&loki.url(), "*.log", ""));
    place.write("a.log", &numbered("refused", 0..10));
    pause(500);
    loki.state.status.store(0, Ordering::SeqCst);
    place.write("a.log", &numbered("taken", 0..10));
    loki.wait_for(10);
    running.stop();
    each_once(&loki, &numbered("taken", 0..10));
}

#[test]
fn blocks_of_lines_stay_whole_over_a_restart() {
    let (place, loki) = (Place::new(), Loki::start());
    let stages = "    pipeline_stages:\n      - multiline: {firstline: '^\\[', max_wait_time: 10s}\n";
    let config = place.config(&loki.url(), "*.log", stages);
    place.write("a.log", &["[1] a".into(), " b".into(), "[2] c".into()]);
    let running = place.start(&config);
    loki.wait_for(1);
    running.stop();
    place.write("a.log", &[" d".into(), "[3] e".into()]);
    let running = place.start(&config.replace("10s", "300ms"));
    loki.wait_for(3);
    running.stop();
    each_once(&loki, &["[1] a\n b".into(), "[2] c\n d".into(), "[3] e".into()]);
}

#[test]
fn long_lines_come_in_pieces_and_limits_cut_or_drop() {
    let (place, loki) = (Place::new(), Loki::start());
    let long = "x".repeat((2 << 20) + 100);
    place.write("a.log", &[long, "short".into()]);
    let running = place.start(&place.config(&loki.url(), "*.log", ""));
    loki.wait_for(4);
    running.stop();
    let lengths: Vec<usize> = loki.lines().iter().map(|line| line.line.len()).collect();
    assert_eq!(lengths, [1 << 20, 1 << 20, 100, 5]);
    let (place, loki) = (Place::new(), Loki::start());
    let config =
        place.config(&loki.url(), "*.log", "") + "limits_config: {max_line_size: 10, max_line_size_truncate: true}\n";
    place.write("a.log", &["0123456789abc".into(), "short".into()]);
    let running = place.start(&config);
    loki.wait_for(2);
    running.stop();
    assert_eq!(loki.texts(), ["0123456789", "short"]);
}

#[test]
fn the_rate_of_lines_is_kept_by_waiting_or_by_dropping() {
    let rate = "limits_config: {readline_rate_enabled: true, readline_rate: 100, readline_burst: 10, readline_rate_drop: DROP}\n";
    let (place, loki) = (Place::new(), Loki::start());
    let config = place.config(&loki.url(), "*.log", "") + &rate.replace("DROP", "false");
    place.write("a.log", &numbered("line", 0..60));
    let running = place.start(&config);
    let begun = Instant::now();
    pause(250);
    place.write("a.log", &["last".into()]);
    loki.wait_for(61);
    assert!(begun.elapsed().as_millis() >= 400, "{:?}", begun.elapsed());
    running.stop();
    let (place, loki) = (Place::new(), Loki::start());
    let config = place.config(&loki.url(), "*.log", "") + &rate.replace("DROP", "true");
    place.write("a.log", &numbered("line", 0..60));
    let running = place.start(&config);
    loki.wait_for(10);
    pause(200);
    running.stop();
    assert!(loki.texts().len() < 30, "{} lines", loki.texts().len());
}
