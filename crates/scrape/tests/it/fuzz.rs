//! Random damage to valid bodies, from a fixed seed: no parser may panic, hang or hand out what is not there.

use model::SampleValue;
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use scrape::exposition::{Entry, Format, ParseOptions, RawLabels, format_of_content_type, parser};

const TEXT: &str = "# HELP a help \\\\ text\n# TYPE a counter\na{b=\"c\",d=\"e\\\"f\"} 1 123\na 2\n\n# x\n{\"q.n\",z=\"1\"} +Inf 5\n\
                    # TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3.5e2\nh_count 2\n";
const OPENMETRICS: &str = "# HELP a help\n# TYPE a counter\n# UNIT a_s s\na_total{b=\"c\"} 1 1.5 # {t=\"x\"} 0.5 12\na_created{b=\"c\"} 1\n\
                           # TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\nh_created 5\n# EOF\n";

fn damage(body: &[u8], random: &mut StdRng) -> Vec<u8> {
    const PIECES: [&[u8]; 24] = [
        b"\"",
        b"\\",
        b"{",
        b"}",
        b",",
        b"=",
        b" ",
        b"\n",
        b"#",
        b"\t",
        b"\0",
        b"\xff",
        b"# EOF",
        b"# TYPE ",
        b"{}",
        b"1e999",
        b"NaN",
        b"le=\"\"",
        b"\r",
        b"\xc3\xa9",
        b"_created",
        b"\x08",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x80\x80\x80\x80\x80",
    ];
    let mut body = body.to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=body.len());
        let end = (at + random.random_range(0..6)).min(body.len());
        match random.random_range(0..4) {
            0 => drop(body.splice(at..at, PIECES[random.random_range(0..PIECES.len())].iter().copied())),
            1 => drop(body.drain(at..end)),
            2 => body[at..end].iter_mut().for_each(|b| *b = random.next_u32() as u8),
            _ => {
                let copy = body[at..end].to_vec();
                let to = random.random_range(0..=body.len());
                body.splice(to..to, copy);
            }
        }
    }
    body
}

/// Reads to the end; gives the number of samples and whether the body was valid.
fn read(body: &[u8], format: Format, options: ParseOptions) -> (usize, bool) {
    let mut parser = parser(body, format, options);
    let mut labels = RawLabels::default();
    let mut samples = 0;
    loop {
        match parser.advance() {
            Ok(None) => return (samples, true),
            Err(error) => {
                assert!(error.number() >= 1 && error.to_string().len() < 2000, "{error}");
                return (samples, false);
            }
            Ok(Some(Entry::Sample { value, .. })) => {
                samples += 1;
                assert!(samples <= body.len() * 2 + 10, "more samples than bytes");
                parser.labels(&mut labels);
                assert!(!parser.key().is_empty());
                parser.start_timestamp();
                while parser.exemplar().is_some() {}
                if let SampleValue::Histogram(h) = value {
                    let lengths: usize = h.positive_spans.iter().map(|s| s.length as usize).sum();
                    assert_eq!(lengths, h.positive_buckets.len());
                }
            }
            Ok(Some(_)) => {}
        }
    }
}

fn all_options() -> impl Iterator<Item = ParseOptions> {
    (0..8).map(|bits| ParseOptions {
        native_histograms: bits & 1 > 0,
        keep_classic_histograms: bits & 2 > 0,
        convert_classic_to_nhcb: bits & 4 > 0,
    })
}

#[test]
fn damaged_bodies_are_read_or_refused() {
    let protobuf =
        crate::protobuf::all_types().iter().flat_map(Message::encode_length_delimited_to_vec).collect::<Vec<u8>>();
    let mut random = StdRng::seed_from_u64(20_240_229);
    for (seed, format) in
        [(TEXT.as_bytes(), Format::Text), (OPENMETRICS.as_bytes(), Format::OpenMetrics), (&protobuf, Format::Protobuf)]
    {
        for options in all_options() {
            assert!(read(seed, format, options).1, "{format:?} is valid before the damage");
        }
        let (mut valid, mut refused) = (0, 0);
        for round in 0..6000 {
            let body = damage(seed, &mut random);
            let options = all_options().nth(round % 8).unwrap();
            let (_, accepted) = read(&body, format, options);
            if accepted { valid += 1 } else { refused += 1 }
        }
        assert!(valid > 100 && refused > 1000, "{format:?}: {valid} valid, {refused} refused");
    }
}

#[test]
fn content_types_are_read_or_refused() {
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..5000 {
        let header = damage(b"application/openmetrics-text; version=1.0.0; charset=\"utf-8\"", &mut random);
        let _ = format_of_content_type(&String::from_utf8_lossy(&header), None);
    }
}
