//! Where in the body the parts of the current series stand. Labels are made from that only on demand.

use std::borrow::Cow;

use model::{METRIC_NAME, MetricType};

use super::cursor::{Cursor, Span, text, unescape};
use super::{ParseError, RawLabels, normal_boundary};

/// Positions of a series' name and labels.
#[derive(Default)]
pub(super) struct SeriesSpans {
    /// The raw text of the series.
    pub(super) key: Span,
    /// The metric name, without quotes.
    pub(super) name: Option<Span>,
    /// Names and values of labels, without quotes.
    pub(super) labels: Vec<(Span, Span)>,
}

impl SeriesSpans {
    pub(super) fn begin(&mut self) {
        self.key = (0, 0);
        self.name = None;
        self.labels.clear();
    }

    /// Takes a quoted string inside the braces as the metric name.
    pub(super) fn set_name(&mut self, name: Span, cursor: &Cursor<'_>, start: usize) -> Result<(), ParseError> {
        if self.name.is_some() {
            return Err(cursor.error(format!("metric name already set while parsing: {:?}", cursor.line_of(start))));
        }
        self.name = Some(name);
        Ok(())
    }

    pub(super) fn push_label(&mut self, name: Span, value: Span, cursor: &Cursor<'_>) -> Result<(), ParseError> {
        if std::str::from_utf8(cursor.bytes(value)).is_err() {
            return Err(cursor.error(format!("invalid UTF-8 label value: {:?}", text(cursor.bytes(value)))));
        }
        self.labels.push((name, value));
        Ok(())
    }

    pub(super) fn require_name(&self, cursor: &Cursor<'_>, start: usize) -> Result<(), ParseError> {
        if self.name.is_none() {
            return Err(cursor.error(format!("metric name not set while parsing: {:?}", cursor.line_of(start))));
        }
        Ok(())
    }

    /// Writes name and labels, unescaped and sorted.
    pub(super) fn write_labels(&self, body: &[u8], metric_type: MetricType, out: &mut RawLabels) {
        out.clear();
        if let Some(span) = self.name {
            let name = label_name(body, span, out);
            out.push(METRIC_NAME, &name);
        }
        for &(name, value) in &self.labels {
            let name = label_name(body, name, out);
            let value = unescape(text(&body[value.0..value.1]), true);
            out.push(&name, &normal_boundary(metric_type, &name, value));
        }
        out.sort();
    }
}

fn label_name<'b>(body: &'b [u8], span: Span, out: &mut RawLabels) -> Cow<'b, str> {
    let bytes = &body[span.0..span.1];
    if std::str::from_utf8(bytes).is_err() {
        out.set_invalid_utf8();
    }
    unescape(text(bytes), true)
}
