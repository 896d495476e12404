//! Writes a query in the form in which Loki writes it: what `format_query` answers, and what caches compare.

use std::fmt::{self, Display, Formatter};

use gotemplate::time::duration;
use model::MatchOp;
use model::float::{format_f, format_g, go_quote};

use super::ast::{
    Binary, BinaryOp, Cardinality, Expr, Extraction, Grouping, LabelChoice, LabelFilter, LabelFormatValue, LineFilter,
    LogExpr, LogRange, MetricExpr, RangeAggregation, Stage, Unwrap, VectorAggregation,
};
use crate::units::format_bytes;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Log(log) => log.fmt(f),
            Expr::Metric(metric) => metric.fmt(f),
        }
    }
}

impl Display for LogExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        join(f, &self.matchers, ", ")?;
        f.write_str("}")?;
        self.stages.iter().try_for_each(|stage| write!(f, " {stage}"))
    }
}

fn join<T: Display>(f: &mut Formatter<'_>, items: &[T], separator: &str) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i == 0 { "" } else { separator })?;
    }
    Ok(())
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Stage::LineFilter(filter) => filter.fmt(f),
            Stage::Search(kql) => write!(f, "| kql {}", go_quote(&kql.to_string())),
            Stage::Json => f.write_str("| json"),
            Stage::JsonPaths(extractions) => {
                f.write_str("| json ")?;
                join(f, extractions, ",")
            }
            Stage::Logfmt { strict, keep_empty } => {
                f.write_str("| logfmt")?;
                f.write_str(if *strict { " --strict" } else { "" })?;
                f.write_str(if *keep_empty { " --keep-empty" } else { "" })
            }
            Stage::LogfmtKeys { strict, keep_empty, extractions } => {
                f.write_str("| logfmt ")?;
                f.write_str(if *strict { "--strict " } else { "" })?;
                f.write_str(if *keep_empty { "--keep-empty " } else { "" })?;
                join(f, extractions, ",")
            }
            Stage::Regexp(pattern) => write!(f, "| regexp {}", go_quote(pattern)),
            Stage::Pattern(pattern) => write!(f, "| pattern {}", go_quote(pattern)),
            Stage::Unpack => f.write_str("| unpack"),
            Stage::LabelFilter(filter) => write!(f, "| {filter}"),
            Stage::LineFormat(template) => write!(f, "| line_format {}", go_quote(template)),
            Stage::LabelFormat(formats) => {
                f.write_str("| label_format ")?;
                for (i, format) in formats.iter().enumerate() {
                    write!(f, "{}{}=", if i == 0 { "" } else { "," }, format.name)?;
                    match &format.value {
                        LabelFormatValue::Rename(label) => f.write_str(label)?,
                        LabelFormatValue::Template(template) => f.write_str(&go_quote(template))?,
                    }
                }
                Ok(())
            }
            Stage::Decolorize => f.write_str("| decolorize"),
            Stage::Drop(choices) => {
                f.write_str("| drop ")?;
                join(f, choices, ",")
            }
            Stage::Keep(choices) => {
                f.write_str("| keep ")?;
                join(f, choices, ",")
            }
        }
    }
}

impl Display for LineFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.op.as_str())?;
        for (i, one) in self.alternatives.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { " or " })?;
            match one.is_ip {
                true => write!(f, "ip({})", go_quote(&one.text))?,
                false => f.write_str(&go_quote(&one.text))?,
            }
        }
        Ok(())
    }
}

impl Display for Extraction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, go_quote(&self.expression))
    }
}

impl Display for LabelChoice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            LabelChoice::Name(name) => f.write_str(name),
            LabelChoice::Matcher(matcher) => matcher.fmt(f),
        }
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            // Loki writes an expression that it could not take apart between backquotes.
            LabelFilter::Text(matcher)
                if matcher.op == MatchOp::Regex && crate::regexes::simplify(&matcher.value, true).is_none() =>
            {
                match matcher.value.contains('`') {
                    true => write!(f, "{}=~{}", matcher.name, go_quote(&matcher.value)),
                    false => write!(f, "{}=~`{}`", matcher.name, matcher.value),
                }
            }
            LabelFilter::Text(matcher) => matcher.fmt(f),
            LabelFilter::Number(name, op, value) => write!(f, "{name}{}{}", op.as_str(), format_f(*value)),
            LabelFilter::Duration(name, op, nanos) => write!(f, "{name}{}{}", op.as_str(), duration::text(*nanos)),
            LabelFilter::Bytes(name, op, bytes) => write!(f, "{name}{}{}", op.as_str(), format_bytes(*bytes)),
            LabelFilter::Ip { name, negated, pattern } => {
                write!(f, "{name}{}ip({})", if *negated { "!=" } else { "=" }, go_quote(pattern))
            }
            LabelFilter::And(left, right) => write!(f, "( {left} , {right} )"),
            LabelFilter::Or(left, right) => write!(f, "( {left} or {right} )"),
        }
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {} ({})", if self.without { "without" } else { "by" }, self.names.join(","))
    }
}

impl Display for Unwrap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.conversion {
            Some(conversion) => write!(f, " | unwrap {}({})", conversion.as_str(), self.label)?,
            None => write!(f, " | unwrap {}", self.label)?,
        }
        self.filters.iter().try_for_each(|filter| write!(f, " | {filter}"))
    }
}

impl Display for LogRange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.log.fmt(f)?;
        if let Some(unwrap) = &self.unwrap {
            unwrap.fmt(f)?;
        }
        write!(f, "[{}]", model::duration::format_duration_ms(self.interval / 1_000_000))?;
        if self.offset != 0 {
            write!(f, " offset {}", duration::text(self.offset))?;
        }
        Ok(())
    }
}

impl Display for RangeAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.op.as_str())?;
        if let Some(param) = self.param {
            write!(f, "{},", format_f(param))?;
        }
        write!(f, "{})", self.range)?;
        self.grouping.as_ref().map_or(Ok(()), |grouping| grouping.fmt(f))
    }
}

impl Display for VectorAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.as_str())?;
        if self.grouping.without || !self.grouping.names.is_empty() {
            self.grouping.fmt(f)?;
        }
        match self.op.takes_param() {
            true => write!(f, "({},{})", self.param, self.inner),
            false => write!(f, "({})", self.inner),
        }
    }
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Binary { op, matching, left, right } = self;
        write!(f, "({left} {}", op.as_str())?;
        if matching.returns_bool {
            f.write_str(" bool")?;
        }
        if matching.on || !matching.labels.is_empty() {
            write!(f, " {} ({}) ", if matching.on { "on" } else { "ignoring" }, matching.labels.join(","))?;
            f.write_str(match matching.cardinality {
                Cardinality::OneToOne => "",
                Cardinality::ManyToOne => "group_left",
                Cardinality::OneToMany => "group_right",
            })?;
            if let Some(include) = &matching.include {
                write!(f, " ({})", include.join(","))?;
            }
        }
        write!(f, " {right})")
    }
}

impl Display for BinaryOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Display for MetricExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            MetricExpr::Range(range) => range.fmt(f),
            MetricExpr::Vector(vector) => vector.fmt(f),
            MetricExpr::Binary(binary) => binary.fmt(f),
            MetricExpr::Literal(value) => f.write_str(&format_g(*value)),
            MetricExpr::VectorOf(value) => write!(f, "vector({})", fixed(*value)),
            MetricExpr::LabelReplace(replace) => {
                let args = &replace.args;
                let texts = [&args.target, &args.replacement, &args.source, &args.pattern].map(|text| go_quote(text));
                write!(f, "label_replace({},{})", replace.inner, texts.join(","))
            }
        }
    }
}

/// Go's `%f`.
fn fixed(value: f64) -> String {
    if value.is_finite() { format!("{value:.6}") } else { format_f(value) }
}
