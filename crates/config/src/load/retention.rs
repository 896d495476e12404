//! Decoding of the section `retention`.

use crate::decode::{Context, Fields};
use crate::retention::{DownsampleStep, RetentionRule};
use crate::scalar::Millis;
use crate::selector::parse_selector;
use crate::yaml::Node;

pub(super) fn rule(context: &Context<'_>, node: &Node, path: String) -> Option<RetentionRule> {
    let f = Fields::open(context, node, path, &[&["match", "keep", "downsample"]]);
    if !f.is_mapping() {
        return None;
    }
    let selector = f.text_or_empty("match");
    if !f.has("match") {
        f.problem("", "`match` is missing: the series that this is for, such as '{job=\"x\"}'");
    } else if let Err(reason) = parse_selector(&selector) {
        f.problem("match", format!("{selector:?} is not a selector: {reason}"));
    }
    let keep = f.duration("keep");
    if keep.is_some_and(|keep| keep.is_zero()) {
        f.problem("keep", "must be more than 0");
    }
    let downsample = f.sections("downsample", step);
    check_order(&f, &downsample);
    if !f.has("keep") && !f.has("downsample") {
        f.problem("", "it says neither `keep` nor `downsample`");
    }
    if let (Some(keep), Some(last)) = (keep, downsample.last())
        && last.after >= keep
    {
        let message = format!("the step after {} never happens, the samples are kept for {keep}", last.after);
        f.context.warning(f.place("downsample"), &f.key("downsample"), message);
    }
    Some(RetentionRule { selector, keep, downsample })
}

fn step(context: &Context<'_>, node: &Node, path: String) -> Option<DownsampleStep> {
    let f = Fields::open(context, node, path, &[&["after", "to"]]);
    let required = |key: &str| {
        if !f.has(key) {
            f.problem("", format!("`{key}` is missing"));
        }
        f.duration(key)
    };
    let (after, to) = (required("after")?, required("to")?);
    if to < Millis(1000) {
        f.problem("to", "must be at least 1s");
    } else if after < to {
        f.problem("after", format!("must be at least the bucket, {to}"));
    }
    Some(DownsampleStep { after, to })
}

fn check_order(f: &Fields<'_, '_>, steps: &[DownsampleStep]) {
    for pair in steps.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        if b.after <= a.after {
            f.problem("downsample", format!("the step after {} must stand before the one after {}", b.after, a.after));
        } else if a.to.0 > 0 && (b.to <= a.to || b.to.0 % a.to.0 != 0) {
            f.problem("downsample", format!("the bucket {} must be a multiple of the one before, {}", b.to, a.to));
        }
    }
}
