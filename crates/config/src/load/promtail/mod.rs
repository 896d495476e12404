//! Reading a Promtail configuration. Rules: Promtail 3.x, `clients/pkg/promtail`.

mod scrape;
mod sections;
mod stages;

use std::collections::HashMap;
use std::path::Path;

use crate::decode::{Context, Fields};
use crate::environment::Environment;
use crate::error::{ConfigErrors, Problem};
use crate::promtail::PromtailConfig;
use crate::scalar::Millis;
use crate::yaml::Node;

use super::{Loaded, Reading, read_text};

/// Reads, expands and validates a Promtail configuration, with `.env` beside it or in the working directory. Nothing of a
/// configuration with an error is given; the error lists all that is wrong.
pub fn load_promtail(path: &Path, env: &Environment) -> Result<Loaded<PromtailConfig>, ConfigErrors> {
    let mut files = vec![path.to_owned()];
    let mut problems = Vec::new();
    let text = read_text(path).map_err(|problem| ConfigErrors(vec![problem]))?;
    let env = env.with_env_files(path, &mut files, &mut problems);
    let mut reading = Reading { env: &env, files, problems, warnings: Vec::new(), jobs: HashMap::new() };
    let config = reading.file(path, &text, promtail);
    reading.finish(config)
}

/// As [`load_promtail`] for a text that is in no file; `path` names it in errors and is where relative paths start.
pub fn load_promtail_text(text: &str, path: &Path, env: &Environment) -> Result<Loaded<PromtailConfig>, ConfigErrors> {
    let files = vec![path.to_owned()];
    let mut reading = Reading { env, files, problems: Vec::new(), warnings: Vec::new(), jobs: HashMap::new() };
    let config = reading.file(path, text, promtail);
    reading.finish(config)
}

impl Problem {
    /// A problem of a piece of a configuration that was found later than at loading.
    pub fn at(file: &Path, place: &crate::promtail::Place, message: impl Into<String>) -> Self {
        Problem { line: place.line, column: place.column, key: place.key.clone(), ..Problem::of_file(file, message) }
    }
}

fn promtail(context: &Context<'_>, node: &Node) -> PromtailConfig {
    const KEYS: &[&str] =
        &["server", "client", "clients", "positions", "scrape_configs", "target_config", "limits_config", "wal"];
    const IGNORED: &[&str] = &["tracing", "options"];
    let f = Fields::open(context, node, "", &[KEYS, IGNORED]);
    notice(&f, IGNORED);
    let mut clients = f.sections("clients", sections::client);
    if let Some(node) = f.get("client") {
        clients.extend(sections::client(context, node, f.key("client")));
    }
    PromtailConfig {
        server: sections::server(&f),
        clients,
        positions: sections::positions(&f),
        scrape_configs: scrape::scrape_configs(&f),
        target_config: sections::target_config(&f),
        limits: sections::limits(&f),
        buffer: sections::buffer(&f),
    }
}

/// Says of keys that Promtail knows that they mean nothing here.
fn notice(f: &Fields<'_, '_>, ignored: &[&str]) {
    for (key, at) in f.given().filter(|(key, _)| ignored.contains(key)) {
        f.context.warning(at, &f.key(key), "has no meaning here and is ignored");
    }
}

/// A duration as Go writes it: `1.5s`, `1m30s`, `250us`; also `7d`, as Prometheus has it. Below a millisecond is rounded up.
fn duration(f: &Fields<'_, '_>, key: &str) -> Option<Millis> {
    f.read(key, "a duration such as 500ms, 1.5s or 1m30s", go_duration)
}

fn go_duration(text: &str) -> Option<Millis> {
    if text == "0" {
        return Some(Millis(0));
    }
    let mut rest = text;
    let mut nanos = 0_f64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len() - digits);
        let unit = match &rest[digits..digits + unit_end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "d" => 86_400e9,
            "w" => 7.0 * 86_400e9,
            "y" => 365.0 * 86_400e9,
            _ => return None,
        };
        nanos += number * unit;
        rest = &rest[digits + unit_end..];
    }
    let ms = (nanos / 1e6).ceil();
    (!text.is_empty() && ms < i64::MAX as f64).then_some(Millis(ms as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, ms) in [("1s", 1000), ("1.5s", 1500), ("1m30s", 90_000), ("250us", 1), ("0", 0), ("7d", 604_800_000)]
        {
            assert_eq!(go_duration(text), Some(Millis(ms)), "{text}");
        }
        for bad in ["", "1", "s", "1x", "-1s", "1..2s"] {
            assert_eq!(go_duration(bad), None, "{bad}");
        }
    }
}
