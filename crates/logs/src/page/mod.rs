//! A page at rest: entries of one stream, split into templates and columns.
//!
//! ```text
//! body     = head | times | template of each entry | fields (json) | fields (logfmt) | templates | column* | metadata column*
//! head     = version | number of templates | texts of each column | dense fields (json, logfmt) | names of metadata
//!          | the length and crc32 of each section that follows
//! templates = for each: its constant text, and where a text of which column is put into it
//! ```
//!
//! A line is its template with the next text of each column put in. So a constant part is held once, a column holds like with
//! like, and a field that a query asks for is read without the lines. A field is dense where every entry has it as the one text of
//! a column: then the column alone is read.

mod column;
mod decoded;
mod fields;
mod gather;
mod ints;
mod number;
mod read;
mod search;
mod sink;
mod split;
#[cfg(test)]
mod tests;
mod time_text;
mod times;
mod zip;

use blocks::bytes::{put_text, put_varint};
use hashbrown::HashMap;
use model::{LineFormat, PageInfo};
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use read::PageHead;
pub(crate) use search::Case;
pub(crate) use zip::{put_blob, take_blob};

use crate::entries::Entries;
use crate::filter;
use column::Values;
use split::{Class, Mode, Slot};

const VERSION: u64 = 1;
// Sections by number.
const TIMES: usize = 0;
const IDS: usize = 1;
const FIELDS: usize = 2;
const TEMPLATES: usize = 4;
const COLUMNS: usize = 5;
/// Shorter pages are not split: what they would save is less than what the columns cost.
const LEAST_TO_SPLIT: usize = 4096;
/// More contexts share the last column.
const MOST_COLUMNS: usize = 250;

/// A page ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct EncodedPage {
    pub(crate) info: PageInfo,
    pub(crate) shape: Shape,
    pub(crate) body: Vec<u8>,
    pub(crate) filter: Vec<u8>,
}

/// What an index says of a page beside its [`PageInfo`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) head_bytes: u32,
    pub(crate) head_crc: u32,
    pub(crate) is_json: bool,
    pub(crate) is_logfmt: bool,
    /// No line begins as JSON does.
    pub(crate) no_json: bool,
    pub(crate) filter: filter::Shape,
}

/// The constant text of many lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Template {
    text: Vec<u8>,
    /// Bytes of `text` that are not part of it.
    spare: usize,
    cuts: Vec<Cut>,
}

impl Template {
    /// Bytes of the text.
    fn length(&self) -> usize {
        self.text.len() - self.spare
    }
}

/// A place of a template where a text of a column belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    at: usize,
    class: Class,
    column: u32,
}

/// Hashes that are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Kept(u64);

impl std::hash::Hasher for Kept {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

type ByHash = HashMap<u64, u32, std::hash::BuildHasherDefault<Kept>>;

/// Of a template, what tells the next line of it.
struct Known {
    contexts: Vec<u64>,
    /// Another one with the same hash.
    next: Option<u32>,
}

/// Collects templates and columns line by line.
#[derive(Default)]
struct Builder {
    templates: Vec<Template>,
    known: Vec<Known>,
    /// The template that came last of each hash.
    newest: ByHash,
    ids: Vec<i64>,
    columns: Vec<Values>,
    contexts: ByHash,
    slots: Vec<Slot>,
}

/// Bytes in front of a slot that its context tells of.
const TOLD: usize = 12;

/// Tells templates apart, but for a few; whether two are the same is told by their texts.
fn template_hash(line: &[u8], slots: &[Slot]) -> u64 {
    let mut hash = 0_u64;
    let mut mix = |part: u64| hash = (hash.rotate_left(23) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut from = 0;
    for slot in slots {
        let piece = &line[from..slot.begin];
        mix(slot.context ^ piece.len() as u64 ^ (slot.class as u64) << 32);
        if piece.len() > TOLD || from == 0 {
            mix(xxh3_64(piece));
        }
        from = slot.end;
    }
    mix(xxh3_64(&line[from..]));
    hash
}

impl Builder {
    fn column(&mut self, context: u64, class: Class) -> u32 {
        let key = context.wrapping_mul(5).wrapping_add(class as u64);
        if let Some(column) = self.contexts.get(&key) {
            return *column;
        }
        let column = self.columns.len().min(MOST_COLUMNS - 1) as u32;
        if self.columns.len() < MOST_COLUMNS {
            self.columns.push(Values::default());
        }
        self.contexts.insert(key, column);
        column
    }

    /// The template of a line with these slots, where there is one, by hash.
    fn find(&self, hash: u64, line: &[u8], slots: &[Slot]) -> Option<u32> {
        let mut id = self.newest.get(&hash).copied();
        while let Some(number) = id {
            let known = &self.known[number as usize];
            if known.contexts.len() == slots.len() && is_of(line, slots, &self.templates[number as usize], known) {
                return Some(number);
            }
            id = known.next;
        }
        None
    }

    /// The template of a line, new where there are less than `most`, cut in this way; the slots are left in `self.slots`.
    fn take(&mut self, line: &[u8], mode: Mode, most: usize) -> Option<u32> {
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        split::split(line, mode, &mut slots);
        let id = self.find_or_add(line, &slots, most);
        self.slots = slots;
        id
    }

    fn find_or_add(&mut self, line: &[u8], slots: &[Slot], most: usize) -> Option<u32> {
        let hash = template_hash(line, slots);
        let known = self.find(hash, line, slots);
        if known.is_some() || self.templates.len() >= most {
            return known;
        }
        let mut template = Template::default();
        let mut from = 0;
        for slot in slots {
            template.text.extend_from_slice(&line[from..slot.begin]);
            from = slot.end;
            let column = self.column(slot.context, slot.class);
            template.cuts.push(Cut { at: template.text.len(), class: slot.class, column });
        }
        template.text.extend_from_slice(&line[from..]);
        let id = self.templates.len() as u32;
        let next = self.newest.insert(hash, id);
        self.known.push(Known { contexts: slots.iter().map(|slot| slot.context).collect(), next });
        self.templates.push(template);
        Some(id)
    }

    /// Adds a line that stands at `start` in the text of the page.
    fn add(&mut self, entry: u32, line: &[u8], start: usize, most: usize) {
        let id = match self.take(line, Mode::Fine, most).or_else(|| self.take(line, Mode::Wide, most + 32)) {
            Some(id) => id,
            None => self.whole(line),
        };
        self.put(entry, start, id);
    }

    /// Cuts out the whole line.
    fn whole(&mut self, line: &[u8]) -> u32 {
        let slots = [Slot { begin: 0, end: line.len(), class: Class::Line, context: 4 }];
        self.slots.clear();
        self.slots.extend(slots);
        self.find_or_add(line, &slots, usize::MAX).expect("there is no limit")
    }

    fn put(&mut self, entry: u32, start: usize, id: u32) {
        self.ids.push(i64::from(id));
        let template = &self.templates[id as usize];
        for (slot, cut) in self.slots.iter().zip(&template.cuts) {
            let values = &mut self.columns[cut.column as usize];
            values.ranges.push(((start + slot.begin) as u32, (start + slot.end) as u32));
            values.entries.push(entry);
        }
    }
}

/// True where a line with as many slots has them at the places of a template, and its text around them.
fn is_of(line: &[u8], slots: &[Slot], template: &Template, known: &Known) -> bool {
    let (mut from, mut at) = (0, 0);
    for ((slot, cut), context) in slots.iter().zip(&template.cuts).zip(&known.contexts) {
        let is_same = slot.context == *context
            && slot.class == cut.class
            && slot.begin - from == cut.at - at
            && line[from..slot.begin] == template.text[at..cut.at];
        if !is_same {
            return false;
        }
        (from, at) = (slot.end, cut.at);
    }
    line[from..] == template.text[at..]
}

/// Splits, codes and compresses entries in order of time; there is at least one.
pub(crate) fn encode(entries: &Entries) -> EncodedPage {
    let lines = &entries.lines;
    let mut builder = Builder::default();
    let most = if lines.text.len() < LEAST_TO_SPLIT { 0 } else { 48 + entries.len() / 24 };
    for index in 0..entries.len() {
        let (line, start) = (lines.get(index), lines.start(index));
        if most == 0 {
            let id = builder.whole(line);
            builder.put(index as u32, start, id);
        } else {
            builder.add(index as u32, line, start, most);
        }
    }
    let json = fields::find(&builder.templates, LineFormat::Json);
    let logfmt = match json {
        Some(_) => None,
        None => fields::find(&builder.templates, LineFormat::Logfmt),
    };
    let mut shape = Shape {
        is_json: json.is_some(),
        is_logfmt: logfmt.is_some(),
        no_json: (0..entries.len()).all(|index| split::is_no_json(lines.get(index))),
        ..Shape::default()
    };
    let mut fields = [json.unwrap_or_default(), logfmt.unwrap_or_default()];
    let dense = fields.each_mut().map(|fields| fields.take_dense(&builder.templates));

    let mut sections: Vec<Vec<u8>> = vec![Vec::new(); TEMPLATES];
    times::encode(&entries.timestamps, &mut sections[TIMES]);
    ints::encode(&builder.ids, &mut sections[IDS]);
    fields.iter().zip(&mut sections[FIELDS..]).for_each(|(fields, section)| fields::encode(fields, section));
    sections.push(encode_templates(&builder.templates));
    for values in &builder.columns {
        let mut bytes = Vec::new();
        column::encode(values, &lines.text, &entries.timestamps, &mut bytes);
        sections.push(bytes);
    }
    let metadata = encode_metadata(entries, &mut sections);

    let mut head = Vec::new();
    put_varint(&mut head, VERSION);
    put_varint(&mut head, builder.templates.len() as u64);
    put_varint(&mut head, builder.columns.len() as u64);
    builder.columns.iter().for_each(|values| put_varint(&mut head, values.ranges.len() as u64));
    for fields in &dense {
        put_varint(&mut head, fields.len() as u64);
        for (name, column) in fields {
            put_text(&mut head, name);
            put_varint(&mut head, u64::from(*column));
        }
    }
    put_varint(&mut head, metadata.len() as u64);
    metadata.iter().for_each(|name| put_text(&mut head, name));
    for section in &sections {
        put_varint(&mut head, section.len() as u64);
        head.extend_from_slice(&crc32fast::hash(section).to_le_bytes());
    }
    shape.head_bytes = head.len() as u32;
    shape.head_crc = crc32fast::hash(&head);
    let (filter, filter_shape) = filter::build(&lines.text);
    shape.filter = filter_shape;
    let mut body = head;
    sections.iter().for_each(|section| body.extend_from_slice(section));
    EncodedPage { info: entries.info(), shape, body, filter }
}

fn encode_templates(templates: &[Template]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for template in templates {
        put_varint(&mut bytes, template.text.len() as u64);
        bytes.extend_from_slice(&template.text);
        put_varint(&mut bytes, template.cuts.len() as u64);
        let mut before = 0;
        for cut in &template.cuts {
            put_varint(&mut bytes, (cut.at - before) as u64);
            put_varint(&mut bytes, u64::from(cut.column));
            before = cut.at;
        }
    }
    let mut out = Vec::new();
    zip::put_blob(&bytes, &mut out);
    out
}

/// Adds a section for each name of structured metadata: which entries have it, and its values. Answers the names.
fn encode_metadata(entries: &Entries, sections: &mut Vec<Vec<u8>>) -> Vec<Box<str>> {
    let mut names: Vec<Box<str>> = Vec::new();
    let mut columns: Vec<(Vec<i64>, Vec<u8>, Values)> = Vec::new();
    for entry in 0..entries.len() {
        for (name, value) in entries.meta.of(entry) {
            let at = names.iter().position(|known| **known == *name).unwrap_or_else(|| {
                names.push(Box::from(name));
                columns.push((vec![0; entries.len()], Vec::new(), Values::default()));
                names.len() - 1
            });
            let (present, text, values) = &mut columns[at];
            if present[entry] == 1 {
                // Of two values of one name the last counts.
                values.ranges.pop();
                values.entries.pop();
            }
            present[entry] = 1;
            values.ranges.push((text.len() as u32, (text.len() + value.len()) as u32));
            values.entries.push(entry as u32);
            text.extend_from_slice(value.as_bytes());
        }
    }
    for (present, text, values) in columns {
        let mut bytes = Vec::new();
        ints::encode(&present, &mut bytes);
        column::encode(&values, &text, &entries.timestamps, &mut bytes);
        sections.push(bytes);
    }
    names
}
