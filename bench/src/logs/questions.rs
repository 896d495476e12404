//! What is asked of the lines: name, query, and what it may take in CPU milliseconds at 2 GB.

use anyhow::Context;

use super::requests::{Requests, SPAN};

/// How a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Entries, the newest first, at most 100.
    Entries,
    /// A metric at each of these seconds.
    Steps(i64),
    /// A metric at the end.
    End,
}

/// A question.
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) query: String,
    pub(super) target: f64,
}

fn id_of(line: &str) -> anyhow::Result<String> {
    let is_id = |part: &&str| part.len() == 32 && part.bytes().all(|b| b.is_ascii_hexdigit());
    line.split(|c: char| !c.is_ascii_alphanumeric()).find(is_id).map(str::to_owned).context("a line has an id")
}

/// All questions; ids are taken from lines of the middle.
pub(super) fn questions(requests: &Requests) -> anyhow::Result<Vec<Question>> {
    let (mut json, mut plain) = (String::new(), String::new());
    requests.lines(requests.count / 2, |stream, _, text| match stream {
        3 => json = text.to_owned(),
        17 => plain = text.to_owned(),
        _ => {}
    });
    let (json, plain) = (id_of(&json)?, id_of(&plain)?);
    let minutes = SPAN / 60_000_000_000;
    let all = "{env=\"prod\"}";
    let ask = |name, kind, target, query: String| Question { name, kind, query, target };
    let entries = |name, target, query: String| ask(name, Kind::Entries, target, query);
    let p99 = format!("quantile_over_time(0.99, {all} | json | unwrap duration_ms [5m]) by (service)");
    let per_minute = |name, target, stages: &str| {
        ask(name, Kind::Steps(60), target, format!("sum(count_over_time({all} {stages} [1m]))"))
    };
    Ok(vec![
        entries("needle_json", 15.0, format!("{all} |= \"{json}\"")),
        entries("needle_plain", 15.0, format!("{all} |= \"{plain}\"")),
        entries("needle_1_service", 15.0, format!("{{service=\"service-17\"}} |= \"{plain}\"")),
        entries("needle_absent", 15.0, format!("{all} |= \"0123456789abcdef0123456789abcdef\"")),
        entries("fragment_24_json", 200.0, format!("{all} |= \"{}\"", &json[3..27])),
        entries("fragment_24_plain", 200.0, format!("{all} |= \"{}\"", &plain[5..29])),
        entries("regex_with_24", 200.0, format!("{all} |~ \"[0-9a-f]{}[0-9a-f]+\"", &plain[4..28])),
        entries("fragment_12", 2000.0, format!("{all} |= \"{}\"", &json[7..19])),
        entries("regex_rare", 2000.0, format!("{all} |~ \"{}[0-9a-f]+{}\"", &plain[2..6], &plain[26..32])),
        entries("regex_words", 2000.0, format!("{all} |~ \"user-0123[0-4] in [0-9]{{4}} ms\"")),
        entries("regex_without_text", 2000.0, format!("{all} |~ \"[a-c]{{2}}99[0-9a-f]{{6}}ff\"")),
        per_minute("count_error_1m", 2000.0, "|= \"error\""),
        per_minute("count_ERROR_1m", 2000.0, "|= \"ERROR\""),
        per_minute("count_error_any_case_1m", 2000.0, "|~ \"(?i)error\""),
        per_minute("json_status_500_count_1m", 60.0, "| json | status >= 500"),
        entries("json_status_500_limit_100", 90.0, format!("{all} | json | status >= 500")),
        ask("p99_by_service_5m", Kind::Steps(300), 300.0, p99.clone()),
        ask("p99_by_service_5m_each_1m", Kind::Steps(60), 300.0, p99),
        ask("count_by_service_1m", Kind::Steps(60), 20.0, format!("sum by (service) (count_over_time({all}[1m]))")),
        entries("last_100", 20.0, all.to_owned()),
        ask(
            "top_10_users",
            Kind::End,
            200.0,
            format!("topk(10, sum by (user_id) (count_over_time({all} | json | __error__=\"\" [{minutes}m])))"),
        ),
        ask(
            "count_by_level_1m",
            Kind::Steps(60),
            200.0,
            format!("sum by (detected_level) (count_over_time({all}[1m]))"),
        ),
        ask("bytes_by_service_1m", Kind::Steps(60), 2000.0, format!("sum by (service) (bytes_over_time({all}[1m]))")),
    ])
}
