//! Bounded, seeded mutations of valid files: reading must neither panic nor hang, whatever comes.

use std::path::Path;

use config::Environment;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const YAML: &[&str] = &[
    include_str!("../cases/good/everything.yaml"),
    include_str!("../cases/good/yaml_features.yaml"),
    include_str!("../cases/good/remote.yaml"),
    include_str!("../cases/good/retention.yaml"),
];

const ENV: &str = "# c\nexport A=1\nB='x y' # z\nC=\"a\\n\\\"b\"\nD=\nE=\"1\n2\"\n";

/// Pieces that grammars trip over.
const PIECES: &[&str] = &[
    "${",
    "}",
    "${A:-",
    "$$",
    "$",
    "&a ",
    "*a",
    "<<: ",
    "[",
    "]",
    "{",
    "}",
    "- ",
    ": ",
    "\n",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "!!x ",
    "%YAML",
    "---\n",
    "...\n",
    "\t",
    "\0",
    "\u{feff}",
    "é",
    "𝒳",
    "#",
    "?",
    "~",
    "999999999999999999999",
    "-1",
    "1e999",
    "(",
    "\\",
];

fn mutate(rng: &mut StdRng, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=chars.len());
        match rng.random_range(0..4) {
            0 => {
                let piece = PIECES[rng.random_range(0..PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
            1 => {
                let end = (at + rng.random_range(1..20)).min(chars.len());
                chars.drain(at..end);
            }
            2 => {
                let end = (at + rng.random_range(1..60)).min(chars.len());
                let copy: Vec<_> = chars[at..end].to_vec();
                let to = rng.random_range(0..=chars.len());
                chars.splice(to..to, copy);
            }
            _ if at < chars.len() => chars[at] = char::from(rng.random_range(0..128_u8)),
            _ => {}
        }
    }
    chars.into_iter().collect()
}

#[test]
fn mutated_yaml_never_panics() {
    let env = Environment::from_pairs([("A", "1"), ("HOST", "h"), ("PORT", "1"), ("TOKEN", "t"), ("EMPTY", "")]);
    let (mut loaded, mut refused) = (0, 0);
    for seed in 0..3000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let text = mutate(&mut rng, YAML[seed as usize % YAML.len()]);
        match config::load_text(&text, Path::new("fuzz.yml"), &env) {
            Ok(config) => {
                loaded += 1;
                config::to_yaml(&config.config);
            }
            Err(errors) => {
                refused += 1;
                assert!(errors.0.iter().all(|problem| problem.line > 0), "seed {seed}: {errors}");
            }
        }
    }
    assert!(loaded > 100 && refused > 100, "mutations are too weak or too strong: {loaded} loaded, {refused} refused");
}

#[test]
fn mutated_env_files_never_panic() {
    for seed in 0..20_000 {
        let text = mutate(&mut StdRng::seed_from_u64(seed), ENV);
        let (_, errors) = config::parse_env(&text);
        let lines = text.split('\n').count();
        assert!(errors.iter().all(|(line, _)| (1..=lines).contains(line)), "seed {seed}: {errors:?}");
    }
}
