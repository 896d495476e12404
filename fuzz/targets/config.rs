//! Configuration files: any text loads or is refused with a line.
#![no_main]

use std::path::Path;

use config::Environment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let environment = Environment::from_pairs([("A", "1"), ("EMPTY", "")]);
    match config::load_text(text, Path::new("fuzz.yml"), &environment) {
        Ok(loaded) => drop(config::to_yaml(&loaded.config)),
        Err(errors) => assert!(errors.0.iter().all(|problem| problem.line > 0), "{errors}"),
    }
    config::parse_env(text);
});
