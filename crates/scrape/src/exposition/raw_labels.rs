//! Labels as a parser reads them, in one reusable buffer.

use std::fmt::Write;
use std::ops::Range;

/// Names and values in one buffer. Unlike [`model::Labels`] it can hold a name twice, because targets can send that.
#[derive(Clone, Debug, Default)]
pub struct RawLabels {
    text: String,
    pairs: Vec<(Range<u32>, Range<u32>)>,
    invalid_utf8: bool,
}

impl RawLabels {
    /// Forgets all labels and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
        self.invalid_utf8 = false;
    }

    /// Adds a label. An empty value is as good as no label.
    pub fn push(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let name = self.append(name);
        let value = self.append(value);
        self.pairs.push((name, value));
    }

    /// Notes that a name was not UTF-8.
    pub fn set_invalid_utf8(&mut self) {
        self.invalid_utf8 = true;
    }

    /// True where a name was not UTF-8.
    pub fn has_invalid_utf8(&self) -> bool {
        self.invalid_utf8
    }

    fn append(&mut self, text: &str) -> Range<u32> {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        start..self.text.len() as u32
    }

    /// Orders the labels by name; equal names stay in the order in which they came.
    pub fn sort(&mut self) {
        let text = &self.text;
        self.pairs.sort_by(|(a, _), (b, _)| cut(text, a).cmp(cut(text, b)));
    }

    /// Name and value of each label.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.pairs.iter().map(|(name, value)| (cut(&self.text, name), cut(&self.text, value)))
    }

    /// The value of a label, empty where it is absent.
    pub fn get(&self, name: &str) -> &str {
        self.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// A name that occurs twice, if any. The labels must be sorted.
    pub fn duplicate_name(&self) -> Option<&str> {
        let mut pairs = self.pairs.windows(2).map(|w| (cut(&self.text, &w[0].0), cut(&self.text, &w[1].0)));
        pairs.find(|(a, b)| a == b).map(|(a, _)| a)
    }

    /// The labels for an error message.
    pub fn to_text(&self) -> String {
        let mut out = String::from("{");
        for (i, (name, value)) in self.iter().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            let _ = write!(out, "{separator}{name}={}", model::float::go_quote(value));
        }
        out.push('}');
        out
    }
}

fn cut<'t>(text: &'t str, range: &Range<u32>) -> &'t str {
    &text[range.start as usize..range.end as usize]
}
