use std::borrow::Cow;

use blocks::bytes::Damaged;
use model::{ABSENT, Column, LineFormat};
use proptest::prelude::*;

use super::*;

fn page(lines: &[String]) -> (Entries, EncodedPage) {
    let mut entries = Entries::default();
    for (at, line) in lines.iter().enumerate() {
        let pairs = [("trace", line.as_str()), ("even", "yes")];
        entries.push(at as i64 * 1_000_003, line.as_bytes(), pairs.into_iter().take(at % 3));
    }
    let page = encode(&entries);
    (entries, page)
}

fn head(page: &EncodedPage) -> PageHead {
    let bytes = &page.body[..page.shape.head_bytes as usize];
    PageHead::decode(bytes, page.info.entries as usize).unwrap()
}

fn fetch<'p>(page: &'p EncodedPage) -> impl Fn(u64, usize) -> Result<Cow<'p, [u8]>, Damaged> + 'p {
    |offset, length| {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = page.body.get(from..from.saturating_add(length));
        bytes.map(Cow::Borrowed).ok_or(Damaged("out of the page"))
    }
}

/// The text of an entry's value in a column.
fn text(column: &Column, at: usize) -> Option<String> {
    let is_there = |present: &Option<Vec<bool>>| present.as_ref().is_none_or(|present| present[at]);
    match column {
        Column::Dictionary { codes, .. } if codes[at] == ABSENT => None,
        Column::Dictionary { values, codes } => Some(values[codes[at] as usize].to_string()),
        Column::Integers { values, present } => is_there(present).then(|| values[at].to_string()),
        Column::Floats { values, present } => is_there(present).then(|| values[at].to_string()),
        Column::Texts { values, present } => {
            is_there(present).then(|| String::from_utf8(values.get(at).to_vec()).unwrap())
        }
    }
}

/// What the parser takes from a line; `None` where it meets an error.
fn parsed(line: &[u8], format: LineFormat) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let note = |name: &str, value: &str| {
        found.push((name.to_owned(), value.to_owned()));
        std::ops::ControlFlow::Continue(())
    };
    let mut scratch = logfields::Scratch::default();
    let options = logfields::LogfmtOptions { strict: true, keep_empty: false };
    let is_ok = match format {
        LineFormat::Json => logfields::json(line, &mut scratch, note).is_ok(),
        LineFormat::Logfmt => logfields::logfmt(line, options, &mut scratch, note).is_ok(),
    };
    is_ok.then_some(found)
}

fn check(lines: &[String]) {
    let (entries, page) = page(lines);
    let head = head(&page);
    let fetch = fetch(&page);
    assert_eq!(*head.timestamps(&fetch).unwrap(), *entries.timestamps);
    assert_eq!(head.lines(page.info.line_bytes, None, &fetch).unwrap(), entries.lines);
    let every_third: Vec<u32> = (0..entries.len() as u32).step_by(3).collect();
    let some = head.lines(page.info.line_bytes, Some(&every_third), &fetch).unwrap();
    assert!(every_third.iter().enumerate().all(|(n, at)| some.get(n) == entries.lines.get(*at as usize)));
    assert_eq!(some.len(), every_third.len());
    check_search(lines, &head, &fetch);
    let metadata = head.metadata(&fetch).unwrap();
    for at in 0..entries.len() {
        let found: Vec<(&str, String)> =
            metadata.iter().filter_map(|column| Some((&*column.name, text(&column.values, at)?))).collect();
        let wanted: Vec<(&str, String)> = entries.meta.of(at).map(|(name, value)| (name, value.to_owned())).collect();
        assert_eq!(found, wanted);
    }
    for (format, is_all) in [(LineFormat::Json, page.shape.is_json), (LineFormat::Logfmt, page.shape.is_logfmt)] {
        let mut columns = Vec::new();
        for field in head.fields(format, &fetch).unwrap() {
            assert!(is_all, "fields are told only where all lines are in the format");
            columns.push((field.clone(), head.column(format, &field, &fetch).unwrap().unwrap()));
        }
        for (at, line) in lines.iter().enumerate().filter(|_| is_all) {
            let fields = parsed(line.as_bytes(), format).expect("the parser meets no error");
            for (name, column) in &columns {
                let wanted: Vec<&String> = fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value).collect();
                assert!(wanted.len() <= 1, "{name} comes twice in {line}");
                assert_eq!(text(column, at).as_ref(), wanted.first().copied(), "{name} of {line}");
            }
        }
    }
}

/// Pieces of the lines themselves are found where they are, and nowhere else.
fn check_search(lines: &[String], head: &PageHead, fetch: read::Fetch<'_, '_, Damaged>) {
    let mut asked = vec![b"a".to_vec(), b"12".to_vec(), b"zz".to_vec(), b"e".to_vec()];
    for (at, line) in lines.iter().enumerate().step_by(lines.len() / 12 + 1) {
        let begin = at * 7 % (line.len() + 1);
        let length = [1, 3, 6, 14][at % 4];
        asked.push(line.as_bytes()[begin..(begin + length).min(line.len())].to_vec());
    }
    for text in asked {
        let small = text.to_ascii_lowercase();
        if let Some(found) = head.find(&small, search::Case::Any, fetch).unwrap() {
            let is_in = |line: &String| memchr::memmem::find(line.to_ascii_lowercase().as_bytes(), &small).is_some();
            let wanted: Vec<u32> =
                lines.iter().enumerate().filter(|(_, line)| is_in(line)).map(|(at, _)| at as u32).collect();
            assert_eq!(found, wanted, "{:?} in any case in {lines:?}", String::from_utf8_lossy(&small));
        }
        let Some(found) = head.find(&text, search::Case::Same, fetch).unwrap() else { continue };
        let is_in = |line: &String| memchr::memmem::find(line.as_bytes(), &text).is_some();
        let wanted: Vec<u32> =
            lines.iter().enumerate().filter(|(_, line)| is_in(line)).map(|(at, _)| at as u32).collect();
        assert_eq!(found, wanted, "{:?} in {lines:?}", String::from_utf8_lossy(&text));
    }
}

fn json_line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "-?[0-9]{1,5}",
        "[0-9]{1,3}\\.[0-9]{1,3}",
        "\"[a-z]{1,6}\"",
        "\"[0-9a-f]{16}\"",
        "\"[a-z]{2,4} [0-9]{1,3} [a-z]{2,4}\"",
        "\"[ -~&&[^\"\\\\]]{0,9}\"",
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("{\"a\":1,\"b\":\"x\"}".to_owned()),
        Just("[1,\"two\",3]".to_owned()),
        Just("\"\\u0041\\n\"".to_owned()),
        Just("\"grüße\"".to_owned()),
        Just("\"2026-11-22T07:51:34.123Z\"".to_owned()),
        Just("\"2026-11-22 07:51:34\"".to_owned()),
        "[0-9]{1,2}e[0-9]",
        "0[0-9]",
    ];
    proptest::collection::vec(("[a-e]", value), 0..6).prop_map(|fields| {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    })
}

fn logfmt_line() -> impl Strategy<Value = String> {
    let value = prop_oneof!["[0-9]{1,4}", "[a-z]{1,5}", "[0-9.]{1,5}ms", "\"[a-z ]{0,9}[0-9]?\"", "", "[a-z]{2}/[0-9]"];
    proptest::collection::vec(("[a-e]", value), 0..6).prop_map(|fields| {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        fields.join(" ")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn lines_come_back_and_columns_are_what_parsers_give(
        lines in prop_oneof![
            proptest::collection::vec(json_line(), 1..200),
            proptest::collection::vec(logfmt_line(), 1..300),
            proptest::collection::vec("[ -~]{0,30}", 1..200),
            proptest::collection::vec(prop_oneof![json_line(), logfmt_line(), "\\PC{0,20}".prop_map(|s| s)], 1..200),
            proptest::collection::vec("\\PC{0,60}", 1..120),
        ],
        repeat in 1_usize..4,
    ) {
        let lines: Vec<String> = (0..repeat).flat_map(|_| lines.clone()).collect();
        check(&lines);
    }

    #[test]
    fn damaged_pages_never_panic(
        lines in proptest::collection::vec(json_line(), 100..160), flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_u32..8), 40),
    ) {
        let (_, page) = page(&lines);
        for (at, bit) in flips {
            let mut bad = page.clone();
            let at = at.index(page.shape.head_bytes as usize);
            bad.body[at] ^= 1 << bit;
            let Ok(head) = PageHead::decode(&bad.body[..bad.shape.head_bytes as usize], bad.info.entries as usize) else { continue };
            let fetch = fetch(&bad);
            let _ = head.lines(bad.info.line_bytes, None, &fetch);
            let _ = head.find(b"a", search::Case::Same, &fetch);
            let _ = head.metadata(&fetch);
            for field in head.fields(LineFormat::Json, &fetch).unwrap_or_default() {
                let _ = head.column(LineFormat::Json, &field, &fetch);
            }
        }
    }
}

#[test]
fn escapes_are_not_cut() {
    let line = |at: usize| format!(r#"{{"a":"\u00{:02x}\n{at}","b":"x {at}\t{at}","c":"\\{at}"}}"#, 0x41 + at % 26);
    check(&(0..400).map(line).collect::<Vec<String>>());
}

#[test]
fn typical_lines_shrink_and_have_typed_columns() {
    let line = |at: usize| {
        let id = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!(
            r#"{{"timestamp":"1970-01-01T00:00:0{}.{:03}Z","level":"{}","message":"request {} done","status":{},"duration":{}.5,"trace_id":"{id:016x}"}}"#,
            at / 1000,
            at % 1000,
            ["info", "error"][at % 2],
            at * 7,
            [200, 404][at % 2],
            at % 50,
        )
    };
    let lines: Vec<String> = (0..4000).map(line).collect();
    check(&lines);
    let (entries, page) = page(&lines);
    assert!(page.body.len() * 7 < entries.lines.text.len(), "{} of {}", page.body.len(), entries.lines.text.len());
    let head = head(&page);
    let column = |name| head.column(LineFormat::Json, name, &fetch(&page)).unwrap();
    assert!(matches!(column("status"), Some(Column::Integers { .. })));
    assert!(matches!(column("duration"), Some(Column::Floats { .. })));
    assert!(matches!(column("level"), Some(Column::Dictionary { .. })));
    assert!(column("message").is_none(), "a text with parts that vary is not held apart");
}
