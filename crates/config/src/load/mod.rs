//! Reading a Prometheus configuration: the file, its `.env`, and the files with further jobs that it names.

mod alertmanager;
mod discovery;
mod http_client;
mod limits;
mod loki;
mod loki_keys;
mod promtail;
mod relabel;
mod remote;
mod retention;
mod rule_tests;
mod rules;
mod scrape;
mod sections;

pub use alertmanager::{load_alertmanager, load_alertmanager_text};
pub use loki::{load_loki, load_loki_text};
pub use rule_tests::load_rule_tests;
pub use rules::load_rules;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::decode::{Context, Fields};
use crate::environment::Environment;
use crate::error::{ConfigErrors, Problem};
use crate::prometheus::{GlobalConfig, PrometheusConfig};
use crate::scrape::ScrapeConfig;
use crate::yaml::{self, Node, Position};

pub use promtail::{load_promtail, load_promtail_text};

/// A configuration with what reading it has shown.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The configuration, complete and valid.
    pub config: T,
    /// All files that were read, the main one first: those to watch for a reload.
    pub files: Vec<PathBuf>,
    /// What is allowed but most likely not meant.
    pub warnings: Vec<Problem>,
}

/// Reads, expands and validates a Prometheus configuration file, with `.env` beside it or in the working directory and the
/// files of `scrape_config_files`. Nothing of a configuration with an error is given; the error lists all that is wrong.
pub fn load(path: &Path, env: &Environment) -> Result<Loaded<PrometheusConfig>, ConfigErrors> {
    let mut files = vec![path.to_owned()];
    let mut problems = Vec::new();
    let text = read_text(path).map_err(|problem| ConfigErrors(vec![problem]))?;
    let env = env.with_env_files(path, &mut files, &mut problems);
    let mut reading = Reading { env: &env, files, problems, warnings: Vec::new(), jobs: HashMap::new() };
    let config = reading.main_file(path, &text);
    reading.finish(config)
}

/// As [`load`] for a text that is not in a file yet; `path` names it in errors and is where relative paths start. No `.env`
/// is looked for.
pub fn load_text(text: &str, path: &Path, env: &Environment) -> Result<Loaded<PrometheusConfig>, ConfigErrors> {
    let files = vec![path.to_owned()];
    let mut reading = Reading { env, files, problems: Vec::new(), warnings: Vec::new(), jobs: HashMap::new() };
    let config = reading.main_file(path, text);
    reading.finish(config)
}

/// The configuration as YAML with every default filled in and secrets hidden, as `/api/v1/status/config` shows it.
pub fn to_yaml(config: &PrometheusConfig) -> String {
    serde_saphyr::to_string(config).expect("plain data with text keys always serializes")
}

/// The existing files that a pattern such as `rules/*.yml` names, sorted. A pattern without `*`, `?` and `[` names itself
/// where the file exists.
pub fn expand_pattern(pattern: &Path) -> Vec<PathBuf> {
    let Ok(paths) = glob::glob(&pattern.to_string_lossy()) else { return Vec::new() };
    paths.filter_map(Result::ok).collect()
}

pub(crate) fn is_unsupported_discovery(key: &str) -> bool {
    discovery::UNSUPPORTED.contains(&key)
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let bytes = std::fs::read(path).map_err(|e| Problem::of_file(path, format!("cannot be read: {e}")))?;
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Problem { line, ..Problem::of_file(path, "is not UTF-8 text") }
    })
}

struct Reading<'e> {
    env: &'e Environment,
    files: Vec<PathBuf>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// Where each job name was first used.
    jobs: HashMap<String, (PathBuf, Position)>,
}

impl Reading<'_> {
    fn finish<T>(mut self, config: T) -> Result<Loaded<T>, ConfigErrors> {
        if self.problems.is_empty() {
            return Ok(Loaded { config, files: self.files, warnings: self.warnings });
        }
        let rank = |file: &Path| self.files.iter().position(|known| known == file);
        self.problems.sort_by_key(|p| (rank(&p.file), p.line, p.column));
        self.problems.dedup();
        Err(ConfigErrors(self.problems))
    }

    /// Decodes one file; `decode` is not called where the text is no YAML.
    fn file<T: Default>(&mut self, path: &Path, text: &str, decode: impl FnOnce(&Context<'_>, &Node) -> T) -> T {
        let context = Context::new(path, self.env);
        let value = match yaml::parse(text) {
            Ok(document) => {
                for error in document.errors {
                    context.problem(error.at, "", error.message);
                }
                if let Some(at) = document.second_document {
                    context.warning(at, "", "a second YAML document is ignored");
                }
                let empty = Node { at: Position { line: 1, column: 1 }, value: yaml::Value::Null };
                decode(&context, document.root.as_ref().unwrap_or(&empty))
            }
            Err(error) => {
                context.problem(error.at, "", error.message);
                T::default()
            }
        };
        self.problems.append(&mut context.problems.into_inner());
        self.warnings.append(&mut context.warnings.into_inner());
        value
    }

    fn main_file(&mut self, path: &Path, text: &str) -> PrometheusConfig {
        let mut config = self.file(path, text, prometheus);
        config.config.scrape_configs = self.claim_names(path, config.jobs);
        for pattern in &config.config.scrape_config_files {
            for file in expand_pattern(pattern) {
                config.config.included_scrape_configs.extend(self.included_file(&file, &config.config.global));
            }
        }
        config.config
    }

    fn included_file(&mut self, path: &Path, global: &GlobalConfig) -> Vec<ScrapeConfig> {
        self.files.push(path.to_owned());
        let text = match read_text(path) {
            Ok(text) => text,
            Err(problem) => {
                self.problems.push(problem);
                return Vec::new();
            }
        };
        let jobs = self.file(path, &text, |context, node| {
            let f = Fields::open(context, node, "", &[&["scrape_configs"]]);
            scrape_configs(&f, global)
        });
        self.claim_names(path, jobs)
    }

    /// Reports names that an earlier job has.
    fn claim_names(&mut self, file: &Path, jobs: Vec<Job>) -> Vec<ScrapeConfig> {
        let mut configs = Vec::with_capacity(jobs.len());
        for Job { name_at, name_key, config } in jobs {
            let name = &config.job_name;
            if let Some((first_file, first)) = self.jobs.get(name) {
                let message = format!(
                    "found multiple scrape configs with job name {name:?}, first found in {}:{}",
                    first_file.display(),
                    first.line
                );
                let (line, column) = (name_at.line, name_at.column);
                self.problems.push(Problem { line, column, key: name_key, ..Problem::of_file(file, message) });
            } else if !name.is_empty() {
                self.jobs.insert(name.clone(), (file.to_owned(), name_at));
            }
            configs.push(config);
        }
        configs
    }
}

/// The main file without its jobs, and its jobs.
#[derive(Default)]
struct MainFile {
    config: PrometheusConfig,
    jobs: Vec<Job>,
}

/// A job, and where its name stands.
struct Job {
    name_at: Position,
    name_key: String,
    config: ScrapeConfig,
}

/// Decodes a file that stands alone and in which `${NAME}` is plain text.
fn literal_file<T>(
    path: &Path,
    text: &str,
    decode: impl FnOnce(&Context<'_>, &Node) -> T,
) -> Result<Loaded<T>, ConfigErrors> {
    let nothing = Environment::default();
    let context = Context::literal(path, &nothing);
    let document = yaml::parse(text).map_err(|error| {
        ConfigErrors(vec![Problem {
            line: error.at.line,
            column: error.at.column,
            ..Problem::of_file(path, error.message)
        }])
    })?;
    for error in document.errors {
        context.problem(error.at, "", error.message);
    }
    if let Some(at) = document.second_document {
        context.warning(at, "", "a second YAML document is ignored");
    }
    let empty = Node { at: Position { line: 1, column: 1 }, value: yaml::Value::Null };
    let config = decode(&context, document.root.as_ref().unwrap_or(&empty));
    let mut problems = context.problems.into_inner();
    if problems.is_empty() {
        return Ok(Loaded { config, files: vec![path.to_owned()], warnings: context.warnings.into_inner() });
    }
    problems.sort_by_key(|p| (p.line, p.column));
    problems.dedup();
    Err(ConfigErrors(problems))
}

const KEYS: &[&str] = &[
    "global",
    "scrape_configs",
    "scrape_config_files",
    "rule_files",
    "alerting",
    "remote_write",
    "remote_read",
    "storage",
    "tracing",
    "otlp",
    "runtime",
    "retention",
    "limits",
];

/// Where a key belongs that was found elsewhere.
pub(crate) fn home_of(key: &str) -> Option<&'static str> {
    match key {
        "retention" => Some("at the top of the file for rules by selector, under `storage.tsdb` for time and size"),
        key if KEYS.contains(&key) => Some("at the top of the file"),
        key if sections::GLOBAL_KEYS.contains(&key) => Some("under `global` or into an entry of `scrape_configs`"),
        key if scrape::KEYS.contains(&key) || discovery::KEYS.contains(&key) => {
            Some("into an entry of `scrape_configs`")
        }
        "targets" | "labels" => Some("into an entry of `static_configs`"),
        _ => None,
    }
}

fn prometheus(context: &Context<'_>, node: &Node) -> MainFile {
    let f = Fields::open(context, node, "", &[KEYS]);
    let global = sections::global(&f);
    let names = global.metric_name_validation_scheme;
    let alerting = f.get("alerting").map(|node| remote::alerting(context, node, "alerting", names));
    let remote_write =
        f.sections("remote_write", |context, node, path| remote::remote_write(context, node, path, &global));
    let remote_read = f.sections("remote_read", remote::remote_read);
    unique_names(&f, "remote_write", remote_write.iter().map(|remote| remote.name.as_str()));
    unique_names(&f, "remote_read", remote_read.iter().map(|remote| remote.name.as_str()));
    let jobs = scrape_configs(&f, &global);
    let config = PrometheusConfig {
        runtime: sections::runtime(&f),
        alerting: alerting.unwrap_or_default(),
        rule_files: patterns(&f, "rule_files"),
        scrape_config_files: patterns(&f, "scrape_config_files"),
        scrape_configs: Vec::new(),
        included_scrape_configs: Vec::new(),
        storage: sections::storage(&f),
        retention: f.sections("retention", retention::rule),
        limits: limits::limits(&f),
        tracing: sections::tracing(&f),
        remote_write,
        remote_read,
        otlp: sections::otlp(&f, names),
        global,
    };
    MainFile { config, jobs }
}

fn scrape_configs(f: &Fields<'_, '_>, global: &GlobalConfig) -> Vec<Job> {
    f.sections("scrape_configs", |context, node, path| {
        let name = match &node.value {
            yaml::Value::Mapping(entries) => entries.iter().find(|entry| entry.key == "job_name"),
            _ => None,
        };
        let name_at = name.map_or(node.at, |entry| entry.value.at);
        let name_key = format!("{path}.job_name");
        Some(Job { name_at, name_key, config: scrape::scrape_config(context, node, path, global) })
    })
}

/// Paths whose last part may hold wildcards, made relative to the file. Prometheus' pattern: `^[^*]*(\*[^/]*)?$`.
fn patterns(f: &Fields<'_, '_>, key: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let Some(node) = f.get(key) else { return out };
    for (path, item) in f.context.items(node, &f.key(key)) {
        let Some(text) = f.context.text(item, &path) else { continue };
        if text.split_once('*').is_some_and(|(_, after)| after.contains('/')) {
            f.context.problem(item.at, &path, format!("invalid path {text:?}; a * may stand only in its last part"));
        }
        out.push(f.context.resolve(&text));
    }
    out
}

/// Names of remote stores may be left out, but not be used twice.
fn unique_names<'a>(f: &Fields<'_, '_>, key: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        if seen.contains(&name) {
            f.problem(key, format!("the name {name:?} is used twice"));
        }
        seen.push(name);
    }
}
