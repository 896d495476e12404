//! Searches: how they are read and printed, which lines they find with and without the help of pages, and that they find the
//! same lines as LogQL where that says the same.

use logql::{Direction, Engine, QueryContext, RangeParams, Value, kql};
use model::Labels;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::memory::{Entry, Help, MemorySource};

const PARSED: &str = include_str!("../cases/kql/parse.txt");
const LINES: &str = include_str!("../cases/kql/lines.txt");

fn cases(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[test]
fn searches_are_read_or_refused_with_place_and_advice() {
    for case in cases(PARSED) {
        if let Some((text, message)) = case.split_once(" =! ") {
            let error = kql::parse(text).expect_err(case);
            assert_eq!(error.to_string(), message, "{case}");
            continue;
        }
        let (text, printed) = case.split_once("=> ").unwrap();
        let text = text.strip_suffix(' ').unwrap_or(text);
        let read = kql::parse(text).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(read.to_string(), printed, "{case}");
        assert_eq!(kql::parse(printed).unwrap(), read, "{case}");
        let query = format!("{{}} | kql {}", model::float::go_quote(text));
        let printed = logql::format(&query).unwrap();
        assert_eq!(logql::format(&printed).unwrap(), printed);
    }
}

#[test]
fn a_search_stands_where_a_stage_does() {
    let error = logql::parse("{} | kql \"a and\"").unwrap_err().to_string();
    assert_eq!(
        error,
        "parse error at line 1, col 10: KQL, character 6: something is missing here: a field, a value or a text"
    );
    assert!(logql::parse("{}").is_err());
    assert!(logql::parse("{} | json").is_err());
    assert!(logql::parse("{app=\"a\"} | kql = \"x\"").is_ok(), "a label may have that name");
    assert!(logql::parse("sum by (level) (count_over_time({} | json | kql \"a:1\" | b=\"2\" [5m]))").is_ok());
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| pair.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
    text.split_whitespace().filter_map(pair).collect()
}

#[test]
fn searches_find_lines() {
    let (mut streams, mut texts) = (Vec::new(), Vec::new());
    let mut asked = 0;
    for case in cases(LINES) {
        if let Some((head, line)) = case.split_once(" :: ") {
            let (labels, metadata) = head.split_once(" | ").unwrap();
            let (number, labels) = labels.split_once(' ').unwrap();
            texts.push((number.to_owned(), line.to_owned()));
            let entry: Entry = (texts.len() as i64, line.as_bytes().to_vec(), pairs(metadata));
            streams.push((Labels::from_pairs(pairs(labels)), vec![entry]));
            continue;
        }
        let (search, expected) = case.split_once(" -> ").unwrap();
        for help in [Help::Plain, Help::Columns] {
            for page in [1, 100] {
                let source = MemorySource::new(streams.clone(), page, help);
                let found = find(&source, &format!("{{}} | kql {}", model::float::go_quote(search)));
                let numbers: Vec<&str> = found
                    .iter()
                    .map(|(_, line)| texts.iter().find(|(_, text)| text.as_bytes() == line).unwrap().0.as_str())
                    .collect();
                let numbers = if numbers.is_empty() { "-".to_owned() } else { numbers.join(" ") };
                assert_eq!(numbers, expected, "{search} ({help:?}, pages of {page})");
                asked += 1;
            }
        }
    }
    assert!(asked > 150);
}

/// Times and lines that a query finds, by time.
fn find(source: &MemorySource, query: &str) -> Vec<(i64, Vec<u8>)> {
    let expr = logql::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let params = RangeParams { start: 0, end: i64::MAX, step: 1, interval: 0, limit: 0, direction: Direction::Forward };
    let result = Engine::default().query_range(source, &QueryContext::default(), &expr, &params).unwrap();
    let Value::Streams(streams) = result.value else { panic!("{query} lists no lines") };
    let mut lines: Vec<_> =
        streams.into_iter().flat_map(|stream| stream.entries).map(|entry| (entry.timestamp, entry.line)).collect();
    lines.sort();
    lines
}

/// How many lines a query counts.
fn count(source: &MemorySource, query: &str) -> f64 {
    let expr = logql::parse(&format!("sum(count_over_time({query} [1000000s]))")).unwrap();
    let result = Engine::default().query_instant(source, &QueryContext::default(), &expr, 900_000_000_000_000).unwrap();
    let Value::Vector(samples) = result.value else { panic!("{query} counts nothing") };
    samples.first().map_or(0.0, |sample| sample.value)
}

fn entries(rng: &mut StdRng, json: Option<bool>) -> Vec<Entry> {
    let entry = |i: i64| {
        let status = [200, 404, 500, 503][rng.random_range(0..4)];
        let level = ["info", "warn", "error"][rng.random_range(0..3)];
        let user = rng.random_range(0..12);
        let word = ["timeout", "reset by peer", "all good"][rng.random_range(0..3)];
        let line = match json.unwrap_or_else(|| rng.random_bool(0.5)) {
            true => format!(r#"{{"status":{status},"level":"{level}","user":{{"id":{user}}},"what":"{word}"}}"#),
            false => format!("status={status} level={level} user_id={user} what=\"{word}\""),
        };
        let metadata = if rng.random_bool(0.3) { vec![("pod".to_owned(), format!("p{user}"))] } else { Vec::new() };
        (i * 1_000_000_000, line.into_bytes(), metadata)
    };
    (0..80).map(entry).collect()
}

/// Conditions in both languages; those of LogQL stand behind the parser that fits.
const SAME: [(&str, &str); 9] = [
    ("status:500", "status=\"500\""),
    ("status >= 500", "status >= 500"),
    ("not status < 404", "status >= 404"),
    ("level:ERROR", "level=\"error\""),
    ("level:(error or warn)", "level=~\"error|warn\""),
    ("user.id:7", "user_id=\"7\""),
    ("user.id:1*", "user_id=~\"1[0-9]*\""),
    ("pod:*", "pod!=\"\""),
    ("not pod:p1", "pod!=\"p1\""),
];
const SAME_TEXT: [(&str, &str); 4] = [
    ("timeout", "|= \"timeout\""),
    ("\"RESET by\"", "|~ \"(?i)reset by\""),
    ("not good", "!= \"good\""),
    ("all*d or timeout", "|~ \"all\\\\S*d|timeout\""),
];

#[test]
fn kql_and_logql_find_the_same_lines() {
    let mut rng = StdRng::seed_from_u64(7);
    for round in 0..120 {
        let is_json = round % 2 == 0;
        let streams: Vec<_> = (0..2)
            .map(|n: usize| (Labels::from_pairs([("n", n.to_string())]), entries(&mut rng, Some(is_json))))
            .collect();
        let (mut search, mut filters, mut texts) = (Vec::new(), String::new(), String::new());
        for _ in 0..rng.random_range(1..3) {
            let (kql, logql) = SAME[rng.random_range(0..SAME.len())];
            let (kql_or, logql_or) = SAME[rng.random_range(0..SAME.len())];
            match rng.random_bool(0.4) {
                true => {
                    search.push(format!("({kql} or {kql_or})"));
                    filters += &format!(" | ({logql} or {logql_or})");
                }
                false => {
                    search.push(kql.to_owned());
                    filters += &format!(" | {logql}");
                }
            }
        }
        for (kql, logql) in SAME_TEXT {
            if rng.random_bool(0.2) {
                search.push(format!("({kql})"));
                texts += &format!(" {logql}");
            }
        }
        let parser = if is_json { "json" } else { "logfmt" };
        let kql = format!("{{n=~\".+\"}} | kql {}", model::float::go_quote(&search.join(" and ")));
        let logql = format!("{{n=~\".+\"}}{texts} | {parser}{filters}");
        for help in [Help::Plain, Help::Columns] {
            let source = MemorySource::new(streams.clone(), 16, help);
            let found = find(&source, &kql);
            assert_eq!(found, find(&source, &logql), "{kql}\n{logql} ({help:?})");
            assert_eq!(count(&source, &kql), found.len() as f64, "{kql} ({help:?})");
        }
    }
}

#[test]
fn the_help_of_pages_changes_nothing() {
    let mut rng = StdRng::seed_from_u64(8);
    let pieces: Vec<&str> = SAME.iter().chain(&SAME_TEXT).map(|(kql, _)| *kql).collect();
    for _ in 0..60 {
        let streams = vec![(Labels::from_pairs([("level", "warn")]), entries(&mut rng, None))];
        let mut search = String::new();
        for i in 0..rng.random_range(1..5) {
            let joint = if i == 0 { "" } else { [" and ", " or ", " and not ", " "][rng.random_range(0..4)] };
            search = format!("{search}{joint}({})", pieces[rng.random_range(0..pieces.len())]);
        }
        let query = format!("{{}} | kql {}", model::float::go_quote(&search));
        let plain = MemorySource::new(streams.clone(), 7, Help::Plain);
        let helped = MemorySource::new(streams, 7, Help::Columns);
        let found = find(&plain, &query);
        assert_eq!(found, find(&helped, &query), "{search}");
        assert_eq!(count(&helped, &query), found.len() as f64, "{search}");
    }
}

#[test]
fn random_texts_never_panic_and_print_to_what_reads_alike() {
    const SIGNS: [&str; 26] = [
        "a",
        "level",
        ":",
        "(",
        ")",
        "{",
        "}",
        "\"",
        "*",
        "\\",
        " ",
        "and",
        "or",
        "not",
        "<",
        ">=",
        "5",
        "é",
        "\n",
        ".",
        "\\u0041",
        "\"x y\"",
        "@",
        "-",
        "AND ",
        "\u{1F600}",
    ];
    let mut rng = StdRng::seed_from_u64(9);
    let mut read = 0;
    for _ in 0..20_000 {
        let text: String = (0..rng.random_range(0..14)).map(|_| SIGNS[rng.random_range(0..SIGNS.len())]).collect();
        let spaced = text.replace("and", " and ").replace("or", " or ").replace("not", " not ");
        for text in [text, spaced] {
            if let Ok(kql) = kql::parse(&text) {
                read += 1;
                let printed = kql.to_string();
                assert_eq!(kql::parse(&printed).as_ref(), Ok(&kql), "{text:?} is printed as {printed:?}");
            }
        }
    }
    assert!(read > 2000, "{read} could be read");
    let deep = "(".repeat(10_000) + "a";
    assert!(kql::parse(&deep).unwrap_err().to_string().contains("too deeply"));
    assert!(kql::parse(&"not ".repeat(5000)).is_err());
    assert!(kql::parse(&"a ".repeat(20_000)).is_err());
}
