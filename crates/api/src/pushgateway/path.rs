//! The grouping key in the path: `/metrics/job/<job>{/<label>/<value>}`, each name with `@base64` where the value is coded.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::is_valid_legacy_label_name;
use thiserror::Error;

const CODED: &str = "@base64";
const DECODER: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Why a path names no group, in the Pushgateway's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum PathFault {
    #[error("invalid base64 encoding in job name {0:?}: {1}")]
    Job(String, String),
    #[error("job name is required")]
    NoJob,
    #[error("odd number of components in label string {0:?}")]
    Odd(String),
    #[error("improper label name {0:?}")]
    Name(String),
    #[error("invalid base64 encoding for label {0}={1:?}: {2}")]
    Value(String, String, String),
}

/// Reads what follows `/metrics/job/` or `/metrics/job@base64/`, percent signs undone.
pub(super) fn grouping(path: &str, job_is_coded: bool) -> Result<BTreeMap<String, String>, PathFault> {
    let (job, rest) = match path.split_once('/') {
        Some((job, rest)) => (job, Some(rest).filter(|rest| !rest.is_empty())),
        None => (path, None),
    };
    let job = match job_is_coded {
        true => decode(job).map_err(|reason| PathFault::Job(job.to_owned(), reason))?,
        false => job.to_owned(),
    };
    let mut labels = BTreeMap::new();
    if let Some(rest) = rest {
        let parts: Vec<&str> = rest.split('/').collect();
        if !parts.len().is_multiple_of(2) {
            return Err(PathFault::Odd(format!("/{rest}")));
        }
        for pair in parts.chunks_exact(2) {
            let (name, value) = (pair[0], pair[1]);
            let plain = name.strip_suffix(CODED).unwrap_or(name);
            if !is_valid_legacy_label_name(plain) || plain.starts_with("__") {
                return Err(PathFault::Name(plain.to_owned()));
            }
            let value = match plain == name {
                true => value.to_owned(),
                false => {
                    decode(value).map_err(|reason| PathFault::Value(plain.to_owned(), value.to_owned(), reason))?
                }
            };
            labels.insert(plain.to_owned(), value);
        }
    }
    if job.is_empty() {
        return Err(PathFault::NoJob);
    }
    labels.insert("job".to_owned(), job);
    Ok(labels)
}

fn decode(text: &str) -> Result<String, String> {
    let bytes = DECODER.decode(text.trim_end_matches('=')).map_err(|e| e.to_string())?;
    String::from_utf8(bytes).map_err(|_| "not valid UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(path: &str, coded: bool) -> Result<String, String> {
        let labels = grouping(path, coded).map_err(|e| e.to_string())?;
        Ok(labels.iter().map(|(n, v)| format!("{n}={v:?} ")).collect())
    }

    #[test]
    fn paths() {
        for (path, coded, expected) in [
            ("some_job", false, "job=\"some_job\" "),
            ("some_job/", false, "job=\"some_job\" "),
            ("j/instance/a b", false, "instance=\"a b\" job=\"j\" "),
            ("j/path@base64/L3Zhci90bXA", false, "job=\"j\" path=\"/var/tmp\" "),
            ("j/path@base64/L3Zhci90bXA=", false, "job=\"j\" path=\"/var/tmp\" "),
            ("j/empty@base64/=", false, "empty=\"\" job=\"j\" "),
            ("j/empty/", false, "empty=\"\" job=\"j\" "),
            ("ZGlyZWN0b3J5L2pvYg==/job/x", true, "job=\"directory/job\" "),
        ] {
            assert_eq!(joined(path, coded).as_deref(), Ok(expected), "{path}");
        }
        for (path, coded, text) in [
            ("=", true, "job name is required"),
            ("a?", true, "invalid base64 encoding in job name \"a?\": "),
            ("j/a", false, "odd number of components in label string \"/a\""),
            ("j/a-b/c", false, "improper label name \"a-b\""),
            ("j/__a/c", false, "improper label name \"__a\""),
            ("j/a@base64/?", false, "invalid base64 encoding for label a=\"?\": "),
        ] {
            let fault = joined(path, coded).unwrap_err();
            assert!(fault.starts_with(text), "{fault}");
        }
    }
}
