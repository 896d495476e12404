//! Reading a page: its head, then only those sections that are asked for.

use std::sync::Arc;

use blocks::bytes::{Damaged, Reader};
use model::{ABSENT, Column, LineFormat, Lines, NamedColumn};

use super::column::{self, Decoded};
use super::fields::{self, At, Fields};
use super::number::Style;
use super::split::Class;
use super::{Cut, Template, VERSION, ints, zip};

/// What the head of a page says.
#[derive(Clone, Debug)]
pub(crate) struct PageHead {
    pub(crate) timestamps: Arc<[i64]>,
    ids: Vec<u32>,
    templates: usize,
    json: Fields,
    logfmt: Fields,
    columns: usize,
    metadata: Vec<Box<str>>,
    /// Offset in the body, length and checksum of each section.
    sections: Vec<(u64, u32, u32)>,
}

/// Reads so many bytes at an offset of the body; errors are the caller's.
pub(crate) type Fetch<'f, E> = &'f dyn Fn(u64, usize) -> Result<Vec<u8>, E>;

impl PageHead {
    /// Reads a head of a page of `entries` entries.
    pub(crate) fn decode(bytes: &[u8], entries: usize) -> Result<PageHead, Damaged> {
        let mut reader = Reader(bytes);
        let reader = &mut reader;
        if reader.varint()? != VERSION {
            return Err(Damaged("a page of an unknown version"));
        }
        let timestamps = Arc::from(ints::decode(reader, entries)?);
        let ids = ints::decode(reader, entries)?;
        let templates = reader.varint()? as usize;
        if templates > entries || ids.iter().any(|id| !(0..templates as i64).contains(id)) {
            return Err(Damaged("an entry of no template"));
        }
        let json = fields::decode(reader, templates)?;
        let logfmt = fields::decode(reader, templates)?;
        let columns = reader.count(1)?;
        let names = reader.count(1)?;
        let metadata = (0..names).map(|_| Ok(Box::from(reader.text()?))).collect::<Result<Vec<Box<str>>, Damaged>>()?;
        let mut sections = Vec::new();
        let mut offset = bytes.len() as u64;
        for _ in 0..1 + columns + names {
            let length = u32::try_from(reader.varint()?).map_err(|_| Damaged("a section is too long"))?;
            sections.push((offset, length, reader.u32()?));
            offset += u64::from(length);
        }
        let ids = ids.into_iter().map(|id| id as u32).collect();
        Ok(PageHead { timestamps, ids, templates, json, logfmt, columns, metadata, sections })
    }

    /// Bytes of memory, roughly.
    pub(crate) fn memory(&self) -> usize {
        let fields: usize = [&self.json, &self.logfmt].iter().map(|f| f.0.len() * (40 + 24 * self.templates)).sum();
        12 * self.timestamps.len() + fields + 16 * self.sections.len()
    }

    fn section<E: From<Damaged>>(&self, number: usize, fetch: Fetch<'_, E>) -> Result<Vec<u8>, E> {
        let (offset, length, crc) = self.sections[number];
        let bytes = fetch(offset, length as usize)?;
        if crc32fast::hash(&bytes) != crc {
            return Err(Damaged("a section of a page has another checksum").into());
        }
        Ok(bytes)
    }

    fn templates<E: From<Damaged>>(&self, fetch: Fetch<'_, E>) -> Result<Vec<Template>, E> {
        let section = self.section(0, fetch)?;
        Ok(decode_templates(&section, self.templates, self.columns)?)
    }

    /// How many texts each column has.
    fn counts(&self, templates: &[Template]) -> Vec<usize> {
        let mut of_template = vec![0_usize; templates.len()];
        self.ids.iter().for_each(|id| of_template[*id as usize] += 1);
        let mut counts = vec![0; self.columns];
        for (template, count) in templates.iter().zip(of_template) {
            template.cuts.iter().for_each(|cut| counts[cut.column as usize] += count);
        }
        counts
    }

    /// All lines.
    pub(crate) fn lines<E: From<Damaged>>(&self, line_bytes: u64, fetch: Fetch<'_, E>) -> Result<Lines, E> {
        let templates = self.templates(fetch)?;
        let counts = self.counts(&templates);
        let mut columns = Vec::with_capacity(self.columns);
        for (number, count) in counts.into_iter().enumerate() {
            let section = self.section(1 + number, fetch)?;
            columns.push((column::decode(&section, count, &self.timestamps)?, 0_usize));
        }
        let expected = line_bytes as usize + self.ids.len();
        let mut text = Vec::with_capacity(expected.min(1 << 28));
        let mut ends = Vec::with_capacity(self.ids.len());
        for id in &self.ids {
            let template = &templates[*id as usize];
            let mut from = 0;
            for cut in &template.cuts {
                text.extend_from_slice(&template.text[from..cut.at]);
                let (column, next) = &mut columns[cut.column as usize];
                column.write(*next, &mut text);
                *next += 1;
                from = cut.at;
            }
            text.extend_from_slice(&template.text[from..]);
            if text.len() >= expected {
                return Err(Damaged("lines are longer than they should be").into());
            }
            ends.push(text.len() as u32);
            text.push(b'\n');
        }
        if text.len() != expected {
            return Err(Damaged("lines are shorter than they should be").into());
        }
        Ok(Lines { text, ends })
    }

    /// Structured metadata by name.
    pub(crate) fn metadata<E: From<Damaged>>(&self, fetch: Fetch<'_, E>) -> Result<Vec<NamedColumn>, E> {
        let mut columns = Vec::with_capacity(self.metadata.len());
        for (number, name) in self.metadata.iter().enumerate() {
            let section = self.section(1 + self.columns + number, fetch)?;
            let mut reader = Reader(&section);
            let present = ints::decode(&mut reader, self.ids.len())?;
            let count = present.iter().filter(|p| **p != 0).count();
            let decoded = column::decode(reader.0, count, &self.timestamps)?;
            let mut next = 0;
            let places = present.iter().map(|present| {
                next += u32::from(*present != 0);
                if *present != 0 { Place::Column(0, next - 1) } else { Place::Absent }
            });
            let values = collect(&places.collect::<Vec<_>>(), &[(0, decoded)], false)?;
            columns.push(NamedColumn { name: name.clone(), values });
        }
        Ok(columns)
    }

    fn fields_of(&self, format: LineFormat) -> &Fields {
        match format {
            LineFormat::Json => &self.json,
            LineFormat::Logfmt => &self.logfmt,
        }
    }

    /// Names of the fields that are held apart.
    pub(crate) fn fields(&self, format: LineFormat) -> Vec<String> {
        self.fields_of(format).0.keys().map(|name| name.to_string()).collect()
    }

    /// The values of a field; `None` where it is not held apart.
    pub(crate) fn column<E: From<Damaged>>(
        &self,
        format: LineFormat,
        field: &str,
        fetch: Fetch<'_, E>,
    ) -> Result<Option<Column>, E> {
        let Some(at) = self.fields_of(format).0.get(field) else { return Ok(None) };
        let templates = self.templates(fetch)?;
        let counts = self.counts(&templates);
        let (places, used) = places(at, &templates, &self.ids)?;
        let mut columns = Vec::with_capacity(used.len());
        for number in used {
            let section = self.section(1 + number as usize, fetch)?;
            columns.push((number, column::decode(&section, counts[number as usize], &self.timestamps)?));
        }
        Ok(Some(collect(&places, &columns, true)?))
    }
}

fn decode_templates(section: &[u8], count: usize, columns: usize) -> Result<Vec<Template>, Damaged> {
    let bytes = zip::take_blob(&mut Reader(section))?;
    let mut reader = Reader(&bytes);
    let mut templates = Vec::new();
    for _ in 0..count {
        let length = reader.count(1)?;
        let text = reader.take(length)?.to_vec();
        let mut at = 0_usize;
        let mut cuts = Vec::new();
        for _ in 0..reader.count(2)? {
            at = at.saturating_add(reader.varint()? as usize);
            let column = reader.varint()?;
            if at > text.len() || column >= columns as u64 {
                return Err(Damaged("a template does not fit"));
            }
            cuts.push(Cut { at, class: Class::Word, column: column as u32 });
        }
        templates.push(Template { text, cuts });
    }
    Ok(templates)
}

/// Where an entry has its value.
#[derive(Clone, Debug)]
enum Place<'f> {
    Absent,
    Text(&'f str),
    /// Column, and place in it.
    Column(u32, u32),
}

type Places<'f> = (Vec<Place<'f>>, Vec<u32>);

/// Where each entry has a field, and the columns that are needed for it.
fn places<'f>(at: &'f [At], templates: &[Template], ids: &[u32]) -> Result<Places<'f>, Damaged> {
    let mut used: Vec<u32> = Vec::new();
    for (at, template) in at.iter().zip(templates) {
        if let At::Slot(slot) = at {
            let cut = template.cuts.get(*slot as usize).ok_or(Damaged("a field of no place"))?;
            if !used.contains(&cut.column) {
                used.push(cut.column);
            }
        }
    }
    // For each template how far it moves on in each column, and where in that step the field stands.
    let steps: Vec<Vec<u32>> = templates
        .iter()
        .map(|t| used.iter().map(|column| t.cuts.iter().filter(|cut| cut.column == *column).count() as u32).collect())
        .collect();
    let inside: Vec<Option<(usize, u32)>> = at
        .iter()
        .zip(templates)
        .map(|(at, template)| {
            let At::Slot(slot) = at else { return None };
            let column = template.cuts[*slot as usize].column;
            let before = template.cuts[..*slot as usize].iter().filter(|cut| cut.column == column).count() as u32;
            Some((used.iter().position(|other| *other == column)?, before))
        })
        .collect();
    let mut next = vec![0_u32; used.len()];
    let mut places = Vec::with_capacity(ids.len());
    for id in ids {
        let id = *id as usize;
        places.push(match (&at[id], inside[id]) {
            (At::Slot(_), Some((place, before))) => Place::Column(used[place], next[place] + before),
            (At::Text(text), _) => Place::Text(text),
            _ => Place::Absent,
        });
        next.iter_mut().zip(&steps[id]).for_each(|(next, step)| *next += step);
    }
    Ok((places, used))
}

/// Puts values together. Numbers become numbers only where `typed`.
fn collect(places: &[Place<'_>], columns: &[(u32, Decoded)], typed: bool) -> Result<Column, Damaged> {
    let has_text = places.iter().any(|place| matches!(place, Place::Text(_)));
    if let ([(_, decoded)], false) = (columns, has_text)
        && let Some(column) = collect_one(places, decoded, typed)?
    {
        return Ok(column);
    }
    if columns.iter().all(|(_, decoded)| matches!(decoded, Decoded::Constant(_))) {
        return collect_constants(places, columns);
    }
    let mut values = Lines::default();
    let mut scratch = Vec::new();
    for place in places {
        scratch.clear();
        match place {
            Place::Absent => {}
            Place::Text(text) => scratch.extend_from_slice(text.as_bytes()),
            Place::Column(column, at) => {
                let found = columns.iter().find(|(number, _)| number == column);
                found.ok_or(Damaged("a field of no column"))?.1.write(*at as usize, &mut scratch);
            }
        }
        values.push(&scratch);
    }
    Ok(Column::Texts { values, present: present(places) })
}

fn present(places: &[Place<'_>]) -> Option<Vec<bool>> {
    let present: Vec<bool> = places.iter().map(|place| !matches!(place, Place::Absent)).collect();
    present.contains(&false).then_some(present)
}

/// The place of each entry in the only column; 0 where absent.
fn index(place: &Place<'_>) -> Option<usize> {
    match place {
        Place::Column(_, at) => Some(*at as usize),
        _ => None,
    }
}

fn collect_one(places: &[Place<'_>], decoded: &Decoded, typed: bool) -> Result<Option<Column>, Damaged> {
    match decoded {
        Decoded::Dictionary { text, ends, codes } => {
            let mut values = Vec::with_capacity(ends.len());
            let mut from = 0;
            for end in ends {
                let text = std::str::from_utf8(&text[from..*end as usize]).map_err(|_| Damaged("not UTF-8"))?;
                values.push(Box::from(text));
                from = *end as usize;
            }
            let codes = places.iter().map(|place| index(place).map_or(ABSENT, |at| codes[at])).collect();
            Ok(Some(Column::Dictionary { values, codes }))
        }
        Decoded::Numbers { prefix, suffix, style, values } if typed && prefix.is_empty() && suffix.is_empty() => {
            Ok(numbers(places, *style, values))
        }
        _ => Ok(None),
    }
}

/// Numbers as numbers, where their shortest form is their text.
fn numbers(places: &[Place<'_>], style: Style, values: &[i64]) -> Option<Column> {
    const EXACT: u64 = 1 << 53;
    let of = |place: &Place<'_>| index(place).map_or(0, |at| values[at]);
    let scale = match style {
        Style::Plain => {
            return Some(Column::Integers { values: places.iter().map(of).collect(), present: present(places) });
        }
        Style::Shortest(scale) if scale <= 15 => scale,
        _ => return None,
    };
    if values.iter().any(|value| value.unsigned_abs() > EXACT) {
        return None;
    }
    let divisor = 10_f64.powi(i32::from(scale));
    let floats = places.iter().map(|place| of(place) as f64 / divisor).collect();
    Some(Column::Floats { values: floats, present: present(places) })
}

/// All texts are of templates, or of columns with one text.
fn collect_constants(places: &[Place<'_>], columns: &[(u32, Decoded)]) -> Result<Column, Damaged> {
    let mut values: Vec<Box<str>> = Vec::new();
    let mut codes = Vec::with_capacity(places.len());
    for place in places {
        let text = match place {
            Place::Absent => {
                codes.push(ABSENT);
                continue;
            }
            Place::Text(text) => *text,
            Place::Column(column, _) => match columns.iter().find(|(number, _)| number == column) {
                Some((_, Decoded::Constant(text))) => std::str::from_utf8(text).map_err(|_| Damaged("not UTF-8"))?,
                _ => return Err(Damaged("a field of no column")),
            },
        };
        let code = values.iter().position(|known| **known == *text).unwrap_or_else(|| {
            values.push(Box::from(text));
            values.len() - 1
        });
        codes.push(code as u32);
    }
    Ok(Column::Dictionary { values, codes })
}
