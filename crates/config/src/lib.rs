//! The YAML that users already write: parsed, validated, with `${ENV}` expanded. Every error names file, line, column and key.
