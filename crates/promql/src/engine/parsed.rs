//! Queries that were parsed before: rules ask the same texts again and again, and to compile their regular expressions costs
//! more than to evaluate them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::QueryError;
use crate::ast::Expr;
use crate::parser::{ParseOptions, parse};

/// Texts that are kept; all are forgotten when there are more.
const MOST: usize = 1000;
/// Longer texts are parsed each time.
const LONGEST_BYTES: usize = 8 << 10;

/// Trees by text. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct ParsedQueries(Arc<Mutex<HashMap<Box<str>, Arc<Expr>>>>);

impl ParsedQueries {
    /// The tree of a text. All calls have the same options.
    pub(super) fn get(&self, text: &str, options: &ParseOptions) -> Result<Arc<Expr>, QueryError> {
        if let Some(known) = self.0.lock().get(text) {
            return Ok(known.clone());
        }
        let parsed = Arc::new(parse_query(text, options)?);
        if text.len() <= LONGEST_BYTES {
            let mut known = self.0.lock();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(text.into(), parsed.clone());
        }
        Ok(parsed)
    }
}

/// The tree of a text.
pub(super) fn parse_query(text: &str, options: &ParseOptions) -> Result<Expr, QueryError> {
    parse(text, options).map_err(|e| QueryError::Parse(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_parsed_once_and_not_all_are_kept() {
        let (queries, options) = (ParsedQueries::default(), ParseOptions::default());
        let first = queries.get("sum(a{b=~\"c.*\"})", &options).unwrap();
        assert!(Arc::ptr_eq(&first, &queries.get("sum(a{b=~\"c.*\"})", &options).unwrap()));
        assert!(queries.get("sum(", &options).is_err());
        for n in 0..2 * MOST {
            queries.get(&format!("a + {n}"), &options).unwrap();
        }
        queries.get(&format!("\"{}\"", "x".repeat(LONGEST_BYTES)), &options).unwrap();
        let known = queries.0.lock();
        assert!(known.len() <= MOST && known.keys().all(|text| text.len() <= LONGEST_BYTES));
    }
}
