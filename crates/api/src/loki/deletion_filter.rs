//! Which entries a deletion with a filter means: the stages of its query, asked of each entry.

use std::sync::Arc;

use ::logs::EntryFilter;
use logql::Sieve;
use model::{Clock, SystemClock};

/// Makes a filter of a log query; its selector is the store's business. Stages see structured metadata and what they parse, not
/// the labels of the stream.
pub fn compile_log_filter(text: &str) -> Result<EntryFilter, String> {
    let query = logql::parse_log(text).map_err(|error| error.to_string())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sieve = Sieve::new(&query, &clock).map_err(|error| error.to_string())?;
    Ok(Arc::new(move |time, line, metadata| sieve.passes(time, line, metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_decide() {
        let filter = compile_log_filter(r#"{app="x"} |= "secret" | json | user="7" | pod="p""#).unwrap();
        let line = br#"{"user":7,"m":"secret"}"#;
        assert!(filter(5, line, &[("pod", "p")]));
        assert!(!filter(5, line, &[("pod", "q")]));
        assert!(!filter(5, br#"{"user":7}"#, &[("pod", "p")]));
        assert!(compile_log_filter("{").is_err() && compile_log_filter(r#"{a="b"} |~ "(""#).is_err());
        assert!(compile_log_filter("rate({a=\"b\"}[1m])").is_err());
    }
}
