//! OpenMetrics text turned into the classic Prometheus text format 0.0.4, for readers that know nothing newer.

/// Translates what our own registry writes: comments name the sample instead of the family, OpenMetrics-only lines go.
pub(crate) fn to_classic_text(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((family, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, text)) = help.take().filter(|(name, _)| *name == family) {
                out.push_str(&format!("# HELP {family}{suffix} {text}\n"));
            }
            out.push_str(&format!("# TYPE {family}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            // An exemplar follows the value behind " # ".
            let sample = line.rfind(" # {").map_or(line, |at| &line[..at]);
            out.push_str(sample);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_the_classic_ones() {
        let openmetrics = "# HELP a Requests.\n# TYPE a counter\n# UNIT a x\na_total{b=\"c # {\"} 1 # {t=\"x\"} 1\n\
             # HELP b Build.\n# TYPE b info\nb_info{v=\"1\"} 1\n# HELP g G.\n# TYPE g unknown\ng 1.5\n# EOF\n";
        let classic = "# HELP a_total Requests.\n# TYPE a_total counter\na_total{b=\"c # {\"} 1\n\
             # HELP b_info Build.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n# HELP g G.\n# TYPE g untyped\ng 1.5\n";
        assert_eq!(to_classic_text(openmetrics), classic);
    }
}
