//! PromQL: lexer, parser, printer, evaluator. Reads a `SeriesSource`, knows no store.
