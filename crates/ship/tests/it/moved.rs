//! Files whose content lies elsewhere when they are looked at again: cut after a copy was made, compressed after rotation.

use std::fs;
use std::io::Write;

use crate::files::each_once;
use crate::harness::{Place, numbered};
use crate::receiver::{Loki, pause};

/// Lines that are read, that are not, and that come after the cut.
struct Case {
    before: usize,
    away: usize,
    after: usize,
}

/// What `cp a.log a.log.1; truncate -s 0 a.log` does.
fn copy_and_cut(place: &Place) {
    fs::copy(place.path("a.log"), place.path("a.log.1")).unwrap();
    fs::OpenOptions::new().write(true).open(place.path("a.log")).unwrap().set_len(0).unwrap();
}

/// What `gzip`, `bzip2` and `zstd --rm` do.
fn compress(place: &Place, name: &str, ending: &str) {
    let text = fs::read(place.path(name)).unwrap();
    let packed = match ending {
        "gz" => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&text).unwrap();
            gzip.finish().unwrap()
        }
        "bz2" => {
            let mut bzip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            bzip.write_all(&text).unwrap();
            bzip.finish().unwrap()
        }
        _ => zstd::bulk::compress(&text, 1).unwrap(),
    };
    fs::write(place.path(&format!("{name}.{ending}")), packed).unwrap();
    fs::remove_file(place.path(name)).unwrap();
}

/// Stops in between; then starts twice, because nothing may be read again later either.
fn away(pattern: &str, case: &Case, rotate: impl Fn(&Place)) {
    let (place, loki) = (Place::new(), Loki::start());
    let config = place.config(&loki.url(), pattern, "");
    let mut expected = numbered("before", 0..case.before);
    place.write("a.log", &expected);
    let running = place.start(&config);
    loki.wait_for(expected.len());
    running.stop();
    let lines = numbered("away", 0..case.away);
    place.write("a.log", &lines);
    expected.extend(lines);
    rotate(&place);
    let lines = numbered("after", 0..case.after);
    place.write("a.log", &lines);
    expected.extend(lines);
    for _ in 0..2 {
        let running = place.start(&config);
        loki.wait_for(expected.len());
        pause(1500);
        running.stop();
        each_once(&loki, &expected);
    }
    let name = format!("filename=\"{}\"", place.path("a.log").display());
    assert!(loki.lines().iter().all(|line| line.labels.contains(&name)), "the rest has the old labels");
}

#[test]
fn copytruncate_while_nobody_looked_loses_and_doubles_nothing() {
    for pattern in ["a.log", "a.log*"] {
        away(pattern, &Case { before: 1000, away: 500, after: 100 }, copy_and_cut);
        // Nothing was unread.
        away(pattern, &Case { before: 1000, away: 0, after: 100 }, copy_and_cut);
        // It has grown past its old size.
        away(pattern, &Case { before: 50, away: 20, after: 3000 }, copy_and_cut);
    }
}

#[test]
fn what_was_compressed_while_nobody_looked_is_read_to_its_end() {
    for pattern in ["a.log", "a.log*"] {
        let case = Case { before: 1000, away: 500, after: 100 };
        away(pattern, &case, |place| {
            fs::rename(place.path("a.log"), place.path("a.log.1")).unwrap();
            compress(place, "a.log.1", "gz");
        });
        away(pattern, &case, |place| {
            copy_and_cut(place);
            compress(place, "a.log.1", "zst");
        });
        away(pattern, &Case { away: 0, ..case }, |place| {
            copy_and_cut(place);
            compress(place, "a.log.1", "bz2");
        });
    }
}

#[test]
fn a_rotated_file_that_is_compressed_is_not_read_again() {
    for is_copied in [false, true] {
        let (place, loki) = (Place::new(), Loki::start());
        let config = place.config(&loki.url(), "a.log*", "");
        let running = place.start(&config);
        let mut expected = numbered("old", 0..1500);
        place.write("a.log", &expected);
        loki.wait_for(expected.len());
        if is_copied {
            copy_and_cut(&place);
        } else {
            fs::rename(place.path("a.log"), place.path("a.log.1")).unwrap();
        }
        place.write("a.log", &numbered("new", 0..100));
        expected.extend(numbered("new", 0..100));
        loki.wait_for(expected.len());
        pause(1500);
        compress(&place, "a.log.1", "gz");
        pause(2500);
        running.stop();
        each_once(&loki, &expected);
        // The next rotation happens while nobody looks.
        fs::rename(place.path("a.log.1.gz"), place.path("a.log.2.gz")).unwrap();
        let running = place.start(&config);
        pause(1500);
        running.stop();
        each_once(&loki, &expected);
    }
}

#[test]
fn files_with_one_first_line_are_not_taken_for_each_other() {
    let (place, loki) = (Place::new(), Loki::start());
    let config = place.config(&loki.url(), "*.log*", "");
    place.write("a.log", &["start".into()]);
    let running = place.start(&config);
    loki.wait_for(1);
    running.stop();
    fs::write(place.path("a.log"), "cut\n").unwrap();
    place.write("b.log", &["start".into(), "of b".into()]);
    place.write("c.log.1", &["start".into(), "of c".into()]);
    compress(&place, "c.log.1", "gz");
    let running = place.start(&config);
    loki.wait_for(6);
    running.stop();
    let mut texts = loki.texts();
    texts.sort();
    assert_eq!(texts, ["cut", "of b", "of c", "start", "start", "start"]);
}
