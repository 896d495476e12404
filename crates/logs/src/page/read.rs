//! Reading a page: its head, then only those sections that are asked for.

use std::borrow::Cow;
use std::sync::Arc;

use blocks::bytes::{Damaged, Reader};
use model::{ABSENT, Column, FieldColumn, LineFormat, Lines, NamedColumn, NumberColumn};

use super::decoded::{self, Decoded, Kept, Writing};
use super::fields::{self, Fields};
use super::gather::{self, Place};
use super::sink::{Room, SPARE, Sink};
use super::split::Class;
use super::times::Times;
use super::{COLUMNS, Cut, FIELDS, IDS, TEMPLATES, TIMES, Template, VERSION, ints, zip};

/// What the head of a page says.
#[derive(Clone, Debug)]
pub(crate) struct PageHead {
    entries: usize,
    templates: usize,
    /// Texts of each column.
    counts: Vec<u32>,
    /// Fields that every entry has, each as one text of a column of its own: of JSON, of logfmt.
    dense: [Vec<(Box<str>, u32)>; 2],
    metadata: Vec<Box<str>>,
    /// Offset in the body, length and checksum of each section.
    sections: Vec<(u64, u32, u32)>,
}

/// Reads so many bytes at an offset of the body; errors are the caller's.
pub(crate) type Fetch<'f, 'b, E> = &'f (dyn Fn(u64, usize) -> Result<Cow<'b, [u8]>, E> + 'f);

fn number_of(format: LineFormat) -> usize {
    match format {
        LineFormat::Json => 0,
        LineFormat::Logfmt => 1,
    }
}

impl PageHead {
    /// Reads a head of a page of `entries` entries.
    pub(crate) fn decode(bytes: &[u8], entries: usize) -> Result<PageHead, Damaged> {
        let mut reader = Reader(bytes);
        let reader = &mut reader;
        if reader.varint()? != VERSION {
            return Err(Damaged("a page of an unknown version"));
        }
        let templates = reader.varint()? as usize;
        let columns = reader.count(1)?;
        let most = (templates as u64).saturating_mul(entries as u64);
        let mut counts = Vec::with_capacity(columns);
        for _ in 0..columns {
            let count = u32::try_from(reader.varint()?).map_err(|_| Damaged("a column is too long"))?;
            counts.push(count);
        }
        if templates > entries || entries == 0 || most > 1 << 50 {
            return Err(Damaged("an entry of no template"));
        }
        let mut dense = [Vec::new(), Vec::new()];
        for fields in &mut dense {
            for _ in 0..reader.count(2)? {
                let name = Box::from(reader.text()?);
                let column = reader.varint()? as usize;
                if counts.get(column).is_none_or(|count| *count as usize != entries) {
                    return Err(Damaged("a field of no column"));
                }
                fields.push((name, column as u32));
            }
        }
        let names = reader.count(1)?;
        let metadata = (0..names).map(|_| Ok(Box::from(reader.text()?))).collect::<Result<Vec<Box<str>>, Damaged>>()?;
        let mut sections = Vec::new();
        let mut offset = bytes.len() as u64;
        for _ in 0..COLUMNS + columns + names {
            let length = u32::try_from(reader.varint()?).map_err(|_| Damaged("a section is too long"))?;
            sections.push((offset, length, reader.u32()?));
            offset += u64::from(length);
        }
        Ok(PageHead { entries, templates, counts, dense, metadata, sections })
    }

    /// Bytes of memory, roughly.
    pub(crate) fn memory(&self) -> usize {
        let names = self.dense.iter().flatten().map(|(name, _)| name).chain(&self.metadata);
        200 + names.map(|name| 32 + name.len()).sum::<usize>() + 16 * self.sections.len() + 4 * self.counts.len()
    }

    fn section<'f, E: From<Damaged>>(&self, number: usize, fetch: Fetch<'_, 'f, E>) -> Result<Cow<'f, [u8]>, E> {
        let (offset, length, crc) = self.sections[number];
        let bytes = fetch(offset, length as usize)?;
        if crc32fast::hash(&bytes) != crc {
            return Err(Damaged("a section of a page has another checksum").into());
        }
        Ok(bytes)
    }

    /// Time of each entry.
    pub(crate) fn timestamps<E: From<Damaged>>(&self, fetch: Fetch<'_, '_, E>) -> Result<Arc<[i64]>, E> {
        let section = self.section(TIMES, fetch)?;
        Ok(Times::open(&section, self.entries)?.all()?.into())
    }

    /// For each of these times, how many entries are not after it.
    pub(crate) fn count_until<E: From<Damaged>>(&self, until: &[i64], fetch: Fetch<'_, '_, E>) -> Result<Vec<u32>, E> {
        let section = self.section(TIMES, fetch)?;
        Ok(Times::open(&section, self.entries)?.count_until(until)?)
    }

    /// The template of each entry.
    pub(super) fn ids<E: From<Damaged>>(&self, fetch: Fetch<'_, '_, E>) -> Result<Vec<u32>, E> {
        let section = self.section(IDS, fetch)?;
        let ids = ints::decode(&mut Reader(&section), self.entries)?;
        if ids.iter().any(|id| !(0..self.templates as i64).contains(id)) {
            return Err(Damaged("an entry of no template").into());
        }
        Ok(ids.into_iter().map(|id| id as u32).collect())
    }

    pub(super) fn templates<E: From<Damaged>>(&self, fetch: Fetch<'_, '_, E>) -> Result<Vec<Template>, E> {
        let section = self.section(TEMPLATES, fetch)?;
        Ok(decode_templates(&section, self.templates, self.counts.len())?)
    }

    /// Number of texts of a column.
    pub(super) fn count(&self, column: usize) -> usize {
        self.counts[column] as usize
    }

    pub(super) fn columns(&self) -> usize {
        self.counts.len()
    }

    /// A column; `times` keeps the times of the entries once they are read.
    pub(super) fn read_column<E: From<Damaged>>(
        &self,
        column: usize,
        times: &mut Option<Arc<[i64]>>,
        fetch: Fetch<'_, '_, E>,
    ) -> Result<Decoded, E> {
        let section = self.column_section(column, fetch)?;
        self.decode_column(column, &section, times, fetch)
    }

    /// A column as it is stored.
    pub(super) fn column_section<'f, E: From<Damaged>>(
        &self,
        column: usize,
        fetch: Fetch<'_, 'f, E>,
    ) -> Result<Cow<'f, [u8]>, E> {
        self.section(COLUMNS + column, fetch)
    }

    /// Reads what [`PageHead::column_section`] gave.
    pub(super) fn decode_column<E: From<Damaged>>(
        &self,
        column: usize,
        section: &[u8],
        times: &mut Option<Arc<[i64]>>,
        fetch: Fetch<'_, '_, E>,
    ) -> Result<Decoded, E> {
        if decoded::needs_times(section) && times.is_none() {
            *times = Some(self.timestamps(fetch)?);
        }
        Ok(decoded::decode(section, self.count(column), times.as_deref().unwrap_or(&[]))?)
    }

    /// All lines, or those at `places`, ascending. `line_bytes` is how long all lines are together.
    pub(crate) fn lines<E: From<Damaged>>(
        &self,
        line_bytes: u64,
        places: Option<&[u32]>,
        fetch: Fetch<'_, '_, E>,
    ) -> Result<Lines, E> {
        let templates = self.templates(fetch)?;
        let ids = self.ids(fetch)?;
        let counts = counts(&templates, &ids, self.counts.len());
        if counts.iter().zip(&self.counts).any(|(told, noted)| told != noted) {
            return Err(Damaged("a column has another length").into());
        }
        let mut times = None;
        let mut columns = Vec::with_capacity(self.counts.len());
        for column in 0..self.counts.len() {
            columns.push((self.read_column(column, &mut times, fetch)?, 0, Writing::default()));
        }
        match places {
            None => Ok(all_lines(&templates, &ids, &mut columns, line_bytes as usize)?),
            Some(places) => Ok(some_lines(&templates, &ids, &mut columns, places)),
        }
    }

    /// Structured metadata by name.
    pub(crate) fn metadata<E: From<Damaged>>(&self, fetch: Fetch<'_, '_, E>) -> Result<Vec<NamedColumn>, E> {
        let mut columns = Vec::with_capacity(self.metadata.len());
        let mut times: Option<Arc<[i64]>> = None;
        for (number, name) in self.metadata.iter().enumerate() {
            let section = self.section(COLUMNS + self.counts.len() + number, fetch)?;
            let mut reader = Reader(&section);
            let present = ints::decode(&mut reader, self.entries)?;
            let count = present.iter().filter(|p| **p != 0).count();
            if decoded::needs_times(reader.0) && times.is_none() {
                times = Some(self.timestamps(fetch)?);
            }
            let decoded = decoded::decode(reader.0, count, times.as_deref().unwrap_or(&[]))?;
            let values = match count == self.entries {
                true => gather::dense(&decoded, count, false)?,
                false => {
                    let mut next = 0;
                    let places = present.iter().map(|present| {
                        next += u32::from(*present != 0);
                        if *present != 0 { Place::Column(0, next - 1) } else { Place::Absent }
                    });
                    gather::collect(&places.collect::<Vec<_>>(), &[(0, decoded)], false)?
                }
            };
            columns.push(NamedColumn { name: name.clone(), values });
        }
        Ok(columns)
    }

    fn fields_of<E: From<Damaged>>(&self, format: LineFormat, fetch: Fetch<'_, '_, E>) -> Result<Fields, E> {
        let section = self.section(FIELDS + number_of(format), fetch)?;
        Ok(fields::decode(&mut Reader(&section), self.templates)?)
    }

    /// Names of the fields that are held apart.
    pub(crate) fn fields<E: From<Damaged>>(
        &self,
        format: LineFormat,
        fetch: Fetch<'_, '_, E>,
    ) -> Result<Vec<String>, E> {
        let dense = self.dense[number_of(format)].iter().map(|(name, _)| name.to_string());
        let others = self.fields_of(format, fetch)?.places.into_keys().map(String::from);
        let mut names: Vec<String> = dense.chain(others).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn dense(&self, format: LineFormat, field: &str) -> Option<usize> {
        let found = self.dense[number_of(format)].iter().find(|(name, _)| **name == *field);
        found.map(|(_, column)| *column as usize)
    }

    /// The column of a field that every entry has as one text of it.
    fn dense_column<E: From<Damaged>>(
        &self,
        format: LineFormat,
        field: &str,
        fetch: Fetch<'_, '_, E>,
    ) -> Result<Option<Decoded>, E> {
        let Some(column) = self.dense(format, field) else { return Ok(None) };
        self.read_column(column, &mut None, fetch).map(Some)
    }

    /// As [`PageHead::column`], with numbers as such.
    pub(crate) fn field<E: From<Damaged>>(
        &self,
        format: LineFormat,
        field: &str,
        fetch: Fetch<'_, '_, E>,
    ) -> Result<Option<FieldColumn>, E> {
        let text = |kept: &Kept| std::str::from_utf8(kept.text()).map(Box::from).map_err(|_| Damaged("not UTF-8"));
        match self.dense_column(format, field, fetch)? {
            Some(Decoded::Numbers { prefix, suffix, style, values }) => {
                let numbers = NumberColumn { prefix: text(&prefix)?, suffix: text(&suffix)?, style, values };
                Ok(Some(FieldColumn::Numbers(numbers)))
            }
            Some(column) => Ok(Some(FieldColumn::Values(Arc::new(gather::dense(&column, self.entries, true)?)))),
            None => Ok(self.scattered(format, field, fetch)?.map(|column| FieldColumn::Values(Arc::new(column)))),
        }
    }

    /// True where some entry has structured metadata of this name.
    pub(crate) fn has_metadata(&self, name: &str) -> bool {
        self.metadata.iter().any(|known| **known == *name)
    }

    /// The values of a field; `None` where it is not held apart. To be asked only of a page that is all in this format.
    pub(crate) fn column<E: From<Damaged>>(
        &self,
        format: LineFormat,
        field: &str,
        fetch: Fetch<'_, '_, E>,
    ) -> Result<Option<Column>, E> {
        if let Some(column) = self.dense_column(format, field, fetch)? {
            return Ok(Some(gather::dense(&column, self.entries, true)?));
        }
        self.scattered(format, field, fetch)
    }

    /// The values of a field that entries have at several places, or not at all.
    fn scattered<E: From<Damaged>>(
        &self,
        format: LineFormat,
        field: &str,
        fetch: Fetch<'_, '_, E>,
    ) -> Result<Option<Column>, E> {
        let fields = self.fields_of(format, fetch)?;
        let Some(at) = fields.places.get(field) else {
            let is_known = fields.is_complete && !fields.unclear.iter().any(|name| **name == *field);
            let nowhere = || Column::Dictionary { values: Vec::new(), codes: vec![ABSENT; self.entries] };
            return Ok(is_known.then(nowhere));
        };
        let templates = self.templates(fetch)?;
        let ids = self.ids(fetch)?;
        let counts = counts(&templates, &ids, self.counts.len());
        let (places, used) = gather::places(at, &templates, &ids)?;
        let mut columns = Vec::with_capacity(used.len());
        let mut times = None;
        for number in used {
            if counts[number as usize] != self.counts[number as usize] {
                return Err(Damaged("a column has another length").into());
            }
            columns.push((number, self.read_column(number as usize, &mut times, fetch)?));
        }
        Ok(Some(gather::collect(&places, &columns, true)?))
    }
}

/// How many texts each column has.
fn counts(templates: &[Template], ids: &[u32], columns: usize) -> Vec<u32> {
    let mut of_template = vec![0_u32; templates.len()];
    ids.iter().for_each(|id| of_template[*id as usize] += 1);
    let mut counts = vec![0_u32; columns];
    for (template, count) in templates.iter().zip(of_template) {
        template.cuts.iter().for_each(|cut| counts[cut.column as usize] += count);
    }
    counts
}

type Column3 = (Decoded, usize, Writing);

fn put_line(template: &Template, columns: &mut [Column3], out: &mut impl Sink) {
    let mut from = 0;
    for cut in &template.cuts {
        if cut.at > from {
            out.put(&template.text, from, cut.at - from);
        }
        let (column, next, writing) = &mut columns[cut.column as usize];
        column.write(*next, writing, out);
        *next += 1;
        from = cut.at;
    }
    out.put(&template.text, from, template.length() - from);
}

fn all_lines(
    templates: &[Template],
    ids: &[u32],
    columns: &mut [Column3],
    line_bytes: usize,
) -> Result<Lines, Damaged> {
    let length = line_bytes + ids.len();
    if length > u32::MAX as usize {
        return Err(Damaged("lines are too long"));
    }
    let mut room = Room::new(length);
    let mut ends = Vec::with_capacity(ids.len());
    let newline = [b'\n'; SPARE];
    for id in ids {
        put_line(&templates[*id as usize], columns, &mut room);
        ends.push(room.filled() as u32);
        room.put(&newline, 0, 1);
        if room.filled() > length {
            return Err(Damaged("lines are longer than they should be"));
        }
    }
    let text = room.finish().ok_or(Damaged("lines are shorter than they should be"))?;
    Ok(Lines { text, ends })
}

fn some_lines(templates: &[Template], ids: &[u32], columns: &mut [Column3], places: &[u32]) -> Lines {
    let mut lines = Lines::default();
    let mut from = 0;
    for place in places.iter().map(|place| *place as usize).filter(|place| *place < ids.len()) {
        for id in &ids[from..place] {
            templates[*id as usize].cuts.iter().for_each(|cut| columns[cut.column as usize].1 += 1);
        }
        put_line(&templates[ids[place] as usize], columns, &mut lines.text);
        lines.ends.push(lines.text.len() as u32);
        lines.text.push(b'\n');
        from = place + 1;
    }
    lines
}

fn decode_templates(section: &[u8], count: usize, columns: usize) -> Result<Vec<Template>, Damaged> {
    let bytes = zip::take_blob(&mut Reader(section))?;
    let mut reader = Reader(&bytes);
    let mut templates = Vec::new();
    for _ in 0..count {
        let length = reader.count(1)?;
        let mut text = Vec::with_capacity(length + SPARE);
        text.extend_from_slice(reader.take(length)?);
        text.resize(length + SPARE, 0);
        let mut at = 0_usize;
        let mut cuts = Vec::new();
        for _ in 0..reader.count(2)? {
            at = at.saturating_add(reader.varint()? as usize);
            let column = reader.varint()?;
            if at > length || column >= columns as u64 {
                return Err(Damaged("a template does not fit"));
            }
            cuts.push(Cut { at, class: Class::Word, column: column as u32 });
        }
        templates.push(Template { text, spare: SPARE, cuts });
    }
    Ok(templates)
}
