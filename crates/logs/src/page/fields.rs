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

/// The fields of a page, in one format: for each name where each template has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(pub(super) BTreeMap<Box<str>, Vec<At>>);

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
    let plain =
        names.into_iter().filter_map(|(name, places)| Some((name, places.into_iter().collect::<Option<Vec<At>>>()?)));
    Some(Fields(plain.take(MOST_NAMES).collect()))
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
    put_varint(&mut bytes, fields.0.len() as u64);
    for (name, places) in &fields.0 {
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
    let count = reader.count(1)?;
    let mut fields = Fields::default();
    for _ in 0..count {
        let name = Box::from(reader.text()?);
        let mut places = Vec::new();
        for _ in 0..templates {
            places.push(match reader.varint()? {
                0 => At::Absent,
                1 => At::Text(Box::from(reader.text()?)),
                slot => At::Slot(u32::try_from(slot - 2).map_err(|_| Damaged("a field of no place"))?),
            });
        }
        fields.0.insert(name, places);
    }
    Ok(fields)
}
