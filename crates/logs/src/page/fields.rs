//! Which fields the parsers find in the lines of a template, and where: in what is cut out, or in the template itself.
//!
//! Told by parsing each template once, with a marker in each place where a text was cut out: the parsers see what they would see in
//! any line of the template, for nothing that is cut out can change how a line is read.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use blocks::bytes::{Damaged, Reader, put_text, put_varint};
use logfields::{LogfmtOptions, Scratch};
use model::LineFormat;

use super::split::Class;
use super::{Template, zip};

/// What every marker has in it, and no template.
const MARK: &str = "90817263";
/// More names are not held apart.
const MOST_NAMES: usize = 400;

/// Where a template has a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// Nowhere.
    Absent,
    /// It is what was cut out here.
    Slot(u32),
    /// It is the same in all lines.
    Text(Box<str>),
}

/// The fields of a page, in one format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// For each name where each template has it.
    pub(super) places: BTreeMap<Box<str>, Vec<At>>,
    /// Names that only the parser can tell more about.
    pub(super) unclear: Vec<Box<str>>,
    /// True where no other name is in any line.
    pub(super) is_complete: bool,
}

/// The fields of all templates; `None` where the parser met an error, or where more varies than the values.
pub(super) fn find(templates: &[Template], format: LineFormat) -> Option<Fields> {
    let mut names: BTreeMap<Box<str>, Vec<Option<At>>> = BTreeMap::new();
    for (number, template) in templates.iter().enumerate() {
        for (name, at) in of_template(template, format)? {
            let places = names.entry(name).or_insert_with(|| vec![Some(At::Absent); templates.len()]);
            // A name that comes twice is for the parser to decide.
            places[number] = if places[number] == Some(At::Absent) { at } else { None };
        }
    }
    let mut fields = Fields { is_complete: names.len() <= MOST_NAMES, ..Fields::default() };
    for (name, places) in names.into_iter().take(MOST_NAMES) {
        match places.into_iter().collect::<Option<Vec<At>>>() {
            Some(places) => drop(fields.places.insert(name, places)),
            None => fields.unclear.push(name),
        }
    }
    Some(fields)
}

impl Fields {
    /// Takes out the fields that every entry has as one text of a column that holds nothing else.
    pub(super) fn take_dense(&mut self, templates: &[Template]) -> Vec<(Box<str>, u32)> {
        let column_of = |places: &[At]| -> Option<u32> {
            let mut found = None;
            for (at, template) in places.iter().zip(templates) {
                let At::Slot(slot) = at else { return None };
                let column = template.cuts.get(*slot as usize)?.column;
                let is_alone = template.cuts.iter().filter(|cut| cut.column == column).count() == 1;
                if !is_alone || found.is_some_and(|found| found != column) {
                    return None;
                }
                found = Some(column);
            }
            found
        };
        let dense: Vec<(Box<str>, u32)> =
            self.places.iter().filter_map(|(name, places)| Some((name.clone(), column_of(places)?))).collect();
        dense.iter().for_each(|(name, _)| drop(self.places.remove(name)));
        dense
    }
}

type Found = Vec<(Box<str>, Option<At>)>;

fn of_template(template: &Template, format: LineFormat) -> Option<Found> {
    let is_wild = |class: Class| match format {
        LineFormat::Json => class == Class::Line,
        LineFormat::Logfmt => matches!(class, Class::Line | Class::Wide),
    };
    if template.cuts.iter().any(|cut| is_wild(cut.class)) {
        return None;
    }
    let (line, markers) = with_markers(template)?;
    let mut found: Found = Vec::new();
    let mut is_clear = true;
    let mut note = |name: &str, value: &str| {
        is_clear &= !name.contains(MARK);
        let at = match value.contains(MARK) {
            // A part of the value varies, unless it is the marker and nothing else.
            true => markers.iter().position(|marker| marker == value).map(|slot| At::Slot(slot as u32)),
            // With an option an empty value counts, without it does not.
            false if value.is_empty() && format == LineFormat::Logfmt => None,
            false => Some(At::Text(Box::from(value))),
        };
        found.push((Box::from(name), at));
        ControlFlow::Continue(())
    };
    let mut scratch = Scratch::default();
    let is_read = match format {
        LineFormat::Json => logfields::json(&line, &mut scratch, &mut note).is_ok(),
        LineFormat::Logfmt => {
            let options = LogfmtOptions { strict: true, keep_empty: true };
            logfields::logfmt(&line, options, &mut scratch, &mut note).is_ok()
        }
    };
    (is_read && is_clear).then_some(found)
}

/// A line of the template with a marker of its own in each slot; `None` where the template's text has such a thing.
fn with_markers(template: &Template) -> Option<(Vec<u8>, Vec<String>)> {
    let mut markers = Vec::with_capacity(template.cuts.len());
    let mut line = Vec::with_capacity(template.text.len() + 16 * template.cuts.len());
    let mut from = 0;
    for (number, cut) in template.cuts.iter().enumerate() {
        let marker = match cut.class {
            Class::Number => format!("{MARK}{number:05}"),
            _ => format!("Zq{MARK}{number:05}q"),
        };
        line.extend_from_slice(&template.text[from..cut.at]);
        line.extend_from_slice(marker.as_bytes());
        from = cut.at;
        markers.push(marker);
    }
    line.extend_from_slice(&template.text[from..]);
    memchr::memmem::find(&template.text, MARK.as_bytes()).is_none().then_some((line, markers))
}

/// Appends fields; the same number of templates is needed to read them.
pub(super) fn encode(fields: &Fields, out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    bytes.push(u8::from(fields.is_complete));
    put_varint(&mut bytes, fields.unclear.len() as u64);
    fields.unclear.iter().for_each(|name| put_text(&mut bytes, name));
    put_varint(&mut bytes, fields.places.len() as u64);
    for (name, places) in &fields.places {
        put_text(&mut bytes, name);
        for at in places {
            match at {
                At::Absent => bytes.push(0),
                At::Text(text) => {
                    bytes.push(1);
                    put_text(&mut bytes, text);
                }
                At::Slot(slot) => put_varint(&mut bytes, u64::from(*slot) + 2),
            }
        }
    }
    zip::put_blob(&bytes, out);
}

/// Reads what [`encode`] appended.
pub(super) fn decode(reader: &mut Reader<'_>, templates: usize) -> Result<Fields, Damaged> {
    let bytes = zip::take_blob(reader)?;
    let mut reader = Reader(&bytes);
    let mut fields = Fields { is_complete: reader.byte()? != 0, ..Fields::default() };
    for _ in 0..reader.count(1)? {
        fields.unclear.push(Box::from(reader.text()?));
    }
    for _ in 0..reader.count(1)? {
        let name = Box::from(reader.text()?);
        let mut places = Vec::new();
        for _ in 0..templates {
            places.push(match reader.varint()? {
                0 => At::Absent,
                1 => At::Text(Box::from(reader.text()?)),
                slot => At::Slot(u32::try_from(slot - 2).map_err(|_| Damaged("a field of no place"))?),
            });
        }
        fields.places.insert(name, places);
    }
    Ok(fields)
}
