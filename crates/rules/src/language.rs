//! The languages that expressions of rules are written in.

use promql::parser::{ParseOptions, parse};

/// A query language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Prometheus' language, in its rule files.
    #[default]
    Promql,
    /// Loki's, in the rule files of its ruler.
    Logql,
}

impl Language {
    /// An expression as the language prints it, or what is wrong with it as a rule's.
    pub fn check(self, expr: &str) -> Result<String, String> {
        match self {
            Language::Promql => {
                parse(expr, &ParseOptions::default()).map(|parsed| parsed.to_string()).map_err(|e| e.to_string())
            }
            Language::Logql => match logql::parse(expr) {
                Ok(logql::ast::Expr::Log(_)) => {
                    Err("it gives log lines, and a rule needs numbers: count them, as count_over_time(... [5m]) does"
                        .to_owned())
                }
                Ok(parsed) => Ok(parsed.to_string()),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}
