//! Configurations that are not usable are refused with file, line and reason, and none makes us fall over.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use alerting::{Prepared, Setup};
use config::{ConfigErrors, Environment, Loaded, MatcherSyntax};
use model::{Clock, ManualClock, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;

use crate::scenarios::cases;
use crate::world::START;

#[derive(Deserialize)]
struct Bad {
    name: String,
    text: String,
    /// Of the first error; 0 where templates are read, which know no lines of the file.
    line: usize,
    says: Vec<String>,
    /// It can be read, and not be put to work.
    #[serde(default)]
    receiver: bool,
}

fn read(text: &str) -> Result<Loaded<config::AlertingConfigFile>, ConfigErrors> {
    config::load_alertmanager_text(text, Path::new("conf/am.yml"), &Environment::default(), MatcherSyntax::default())
}

fn prepare(text: &str) -> Result<Prepared, String> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp(START)));
    let loaded = read(text).map_err(|errors| errors.to_string())?;
    Prepared::new(loaded.config, MatcherSyntax::default(), &clock).map_err(|error| error.to_string())
}

#[test]
fn errors_name_file_line_and_reason() {
    let text = include_str!("../bad_configs.yaml");
    let all: Vec<Bad> = serde_saphyr::from_str(text).unwrap();
    let mut failures = Vec::new();
    for bad in &all {
        let Err(error) = prepare(&bad.text) else {
            failures.push(format!("{}: is taken", bad.name));
            continue;
        };
        let place = format!("conf/am.yml:{}:", bad.line);
        let fits = (bad.receiver || error.starts_with(&place)) && bad.says.iter().all(|word| error.contains(word));
        if !fits {
            failures.push(format!("{}: line {}, {:?}: {error}", bad.name, bad.line, bad.says));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What a mutation puts in.
const PIECES: [&str; 28] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "- ",
    "\n",
    "  ",
    "\t",
    "'",
    "\"",
    "&a ",
    "*a",
    "!!int ",
    "|",
    "${X}",
    "${X:-y}",
    "$",
    "{{",
    "}}",
    "{{ .Labels }}",
    "=~\"(a+)+$\"",
    "0",
    "-1",
    "9999999999999999999999",
    "\u{0}",
    "🙂",
];

fn mutated(text: &str, others: &[String], rng: &mut StdRng) -> String {
    let mut text = text.to_owned();
    for _ in 0..rng.random_range(1..3) {
        let place = |text: &str, rng: &mut StdRng| {
            let mut at = rng.random_range(0..=text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (a, b) = (place(&text, rng), place(&text, rng));
        let (begin, end) = (a.min(b), a.max(b).min(a.min(b) + 40));
        let end = (begin..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        match rng.random_range(0..5) {
            0 => text.replace_range(begin..end, ""),
            1 => text.insert_str(begin, PIECES[rng.random_range(0..PIECES.len())]),
            2 => text.replace_range(begin..end, PIECES[rng.random_range(0..PIECES.len())]),
            3 => {
                let piece = text[begin..end].repeat(rng.random_range(1..20));
                text.insert_str(begin, &piece);
            }
            _ => {
                let other = &others[rng.random_range(0..others.len())];
                let from = place(other, rng);
                let to = (from..=(from + 60).min(other.len())).rev().find(|at| other.is_char_boundary(*at)).unwrap();
                text.insert_str(begin, &other[from..to]);
            }
        }
    }
    text
}

/// Random changes of good files never bring it down, and take no longer than files of their size may.
#[test]
fn no_file_brings_it_down() {
    let mut seeds: Vec<String> = cases().into_iter().map(|(_, case)| case.config).collect();
    seeds.push(include_str!("../../../../observability/alertmanager-config.yaml").to_owned());
    let rng = &mut StdRng::seed_from_u64(7);
    let (mut usable, begin) = (0, Instant::now());
    for round in 0..3000 {
        let text = mutated(&seeds[round % seeds.len()], &seeds, rng);
        if let Ok(loaded) = read(&text) {
            usable += 1;
            let setup = Setup::new(&loaded.config, MatcherSyntax::default());
            setup.routes.matching(&model::Labels::from_pairs([("alertname", "A"), ("severity", "page")]));
            for route in &setup.routes.0 {
                setup.muted_by(route, Timestamp(START));
            }
            // What is shown of a file can be read again.
            let shown = &loaded.config.original;
            assert!(read(shown).is_ok() || shown.contains("<secret>") || text.contains('$'), "{text}\n---\n{shown}");
        }
        if round % 50 == 0 {
            let _ = prepare(&text);
        }
    }
    println!("{usable} of 3000 are usable, in {:?}", begin.elapsed());
    assert!(usable > 50, "only {usable} are usable: the mutations find nothing");
}
