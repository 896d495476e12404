//! What an unsaved configuration would have told.

use std::sync::Arc;

use alerting::{Alerting, Setup, compare};
use axum::body::Bytes;
use axum::extract::State;
use config::{AlertingConfigFile, ConfigErrors, Environment, Loaded};
use regex::Regex;
use serde::Deserialize;
use serde_json::json;

use super::{DEFAULT_DAYS, alerting, aside, checked_days, internal, read, span};
use crate::answer::{Answer, success};
use crate::errors::ApiError;
use crate::state::Api;

#[derive(Deserialize)]
struct Asked {
    config: String,
    #[serde(default)]
    days: Option<u64>,
}

/// What the last days would have been with another configuration.
pub(super) async fn whatif(State(api): State<Arc<Api>>, body: Bytes) -> Answer {
    let alerting = alerting(&api)?;
    let asked: Asked = read(&body)?;
    let days = checked_days(asked.days.unwrap_or(DEFAULT_DAYS))?;
    let (setup, warnings) = candidate(alerting, &asked.config)?;
    // The one in force as it is read, without what holds for this start alone.
    let current = Arc::new(Setup::new(alerting.working().file(), alerting.options().syntax));
    let (from, to) = span(alerting, days);
    let comparison = aside(alerting, move |alerting| Ok(compare(&alerting.past(from, to)?, current, setup)));
    let mut out = serde_json::to_value(comparison.await?).map_err(internal)?;
    out["days"] = json!(days);
    out["warnings"] = json!(warnings);
    success(&out)
}

/// Reads a configuration that is not in force; nothing of it is put to work.
pub(super) fn candidate(alerting: &Alerting, text: &str) -> Result<(Arc<Setup>, Vec<String>), ApiError> {
    let path = alerting.working().file().path.clone();
    let syntax = alerting.options().syntax;
    let load = |env: &Environment| config::load_alertmanager_text(text, &path, env, syntax);
    let loaded = read_with_stand_ins(text, &load).map_err(|errors| ApiError::bad_data(errors.to_string()))?;
    let warnings = loaded.warnings.iter().map(ToString::to_string).collect();
    Ok((Arc::new(Setup::new(&loaded.config, syntax)), warnings))
}

type Read = Result<Loaded<AlertingConfigFile>, ConfigErrors>;

/// What variables may be: most are addresses or secrets.
const STAND_INS: [&str; 4] = ["http://stand-in.invalid", "stand-in", "25", "stand-in@stand-in.invalid"];

/// The values of `${NAME}` are secrets that errors and answers would show, so each stands for something that can be read in its place.
fn read_with_stand_ins(text: &str, load: &dyn Fn(&Environment) -> Read) -> Read {
    let names = Regex::new(r"\$\{([A-Za-z_][A-Za-z0-9_]*)").expect("the pattern is a constant that compiles");
    let mut names: Vec<&str> = names.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let mut values: Vec<(&str, &str)> = names.iter().map(|name| (*name, STAND_INS[0])).collect();
    let mut best = load(&Environment::from_pairs(values.clone()));
    let problems = |read: &Read| read.as_ref().err().map_or(0, |errors| errors.0.len());
    for number in 0..values.len() {
        for stand_in in &STAND_INS[1..] {
            if best.is_ok() {
                return best;
            }
            let before = std::mem::replace(&mut values[number].1, stand_in);
            let read = load(&Environment::from_pairs(values.clone()));
            if problems(&read) < problems(&best) {
                best = read;
            } else {
                values[number].1 = before;
            }
        }
    }
    best
}
