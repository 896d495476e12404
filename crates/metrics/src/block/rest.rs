//! Labels without a column of their own: a map for each row, as two columns with levels.

use std::io;

use parquet::basic::Encoding;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;

use super::codes::Codes;
use super::columns::{Chunk, ChunkWriter, Packing, put_indexes, put_levels, put_plain};
use super::group::{Group, Texts};
use super::labels::{LabelColumn, Values};
use super::page::{Page, levels};
use super::schema::Shape;
use crate::bytes::Damaged;

const REPETITION_WIDTH: u32 = 1;
const DEFINITION_WIDTH: u32 = 2;
/// The definition level of an entry; that of a row without a map is 0.
const PRESENT: u32 = 2;

/// The columns of keys and values.
pub(super) fn encode(
    keys: ColumnDescPtr,
    values: ColumnDescPtr,
    group: &Group,
    shape: &Shape,
) -> io::Result<(Chunk, Chunk)> {
    let rows = group.rest(shape);
    let mut repetition = Vec::new();
    let mut definition = Vec::new();
    let (mut key_texts, mut value_texts) = (Texts::default(), Texts::default());
    let (mut next, mut entries) = (0, 0);
    for (row, labels) in &rows {
        repetition.push((0, (row - next) as usize + 1));
        repetition.push((1, labels.len() - 1));
        definition.push((0, (row - next) as usize));
        definition.push((PRESENT, labels.len()));
        for (name, value) in labels {
            key_texts.set(entries, name.as_bytes());
            value_texts.set(entries, value);
            entries += 1;
        }
        next = row + 1;
    }
    repetition.push((0, group.rows - next as usize));
    definition.push((0, group.rows - next as usize));
    let nothing = |runs: &mut Vec<(u32, usize)>| runs.retain(|(_, length)| *length > 0);
    nothing(&mut repetition);
    nothing(&mut definition);
    let count = definition.iter().map(|(_, length)| length).sum();
    let mut before = Vec::new();
    put_levels(repetition, REPETITION_WIDTH, &mut before);
    put_levels(definition, DEFINITION_WIDTH, &mut before);
    let column = |column, texts: &Texts| -> io::Result<Chunk> {
        let mut writer = ChunkWriter::new(column, Packing::Zstd)?;
        let (codes, order) = texts.sorted();
        let mut dictionary = Vec::new();
        order.iter().for_each(|place| put_plain(texts.values.get(*place as usize), &mut dictionary));
        writer.dictionary(dictionary, order.len(), true)?;
        let mut page = before.clone();
        let indexes = texts.covering(entries).into_iter().map(|(code, n)| (codes[code as usize] - 1, n));
        put_indexes(indexes, order.len(), &mut page);
        writer.page(page, count, group.rows, Encoding::RLE_DICTIONARY)?;
        let absent = (count - entries) as u64;
        writer.finish(Some(Statistics::byte_array(None, None, None, Some(absent), false)))
    };
    Ok((column(keys, &key_texts)?, column(values, &value_texts)?))
}

/// The labels of all rows of a group that have no column.
#[derive(Debug)]
pub(super) struct Rest {
    /// Where each row's entries begin, and the end of the last.
    starts: Vec<u32>,
    keys: Values,
    key_codes: Vec<u32>,
    values: Values,
    value_codes: Vec<u32>,
}

/// One of the two columns, decoded: where rows begin, the dictionary, the codes.
pub(super) struct Half {
    starts: Vec<u32>,
    values: Values,
    codes: Vec<u32>,
}

impl Half {
    /// Decodes a column of `rows` rows.
    pub(super) fn decode(dictionary: &Page, page: &Page, rows: usize) -> Result<Half, Damaged> {
        let values = Values::decode(dictionary)?;
        let mut bytes = &page.bytes[..];
        let mut repetition = Vec::with_capacity(page.values.min(1 << 20));
        levels(&mut bytes, REPETITION_WIDTH, page.values, |level, n| repetition.extend(std::iter::repeat_n(level, n)))?;
        let (mut starts, mut entries, mut at) = (Vec::with_capacity(rows + 1), 0, 0);
        let mut fits = true;
        levels(&mut bytes, DEFINITION_WIDTH, page.values, |level, n| {
            for _ in 0..n {
                if repetition[at] == 0 {
                    starts.push(entries);
                }
                fits &= level == PRESENT || repetition[at] == 0;
                entries += u32::from(level == PRESENT);
                at += 1;
            }
        })?;
        if starts.len() != rows || !fits {
            return Err(Damaged("levels do not fit the rows"));
        }
        starts.push(entries);
        let mut codes = Vec::with_capacity(entries as usize);
        super::page::indexes(bytes, entries as usize, values.len(), |code, n| {
            codes.extend(std::iter::repeat_n(code, n));
        })?;
        Ok(Half { starts, values, codes })
    }
}

impl Rest {
    /// Joins keys and values.
    pub(super) fn new(keys: Half, values: Half) -> Result<Rest, Damaged> {
        if keys.starts != values.starts {
            return Err(Damaged("keys and values do not fit each other"));
        }
        let Half { starts, values: names, codes: key_codes } = keys;
        Ok(Rest { starts, keys: names, key_codes, values: values.values, value_codes: values.codes })
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        4 * (self.starts.len() + self.key_codes.len() + self.value_codes.len())
            + self.keys.memory()
            + self.values.memory()
    }

    /// Names of labels.
    pub(super) fn names(&self) -> &Values {
        &self.keys
    }

    /// Name and value of the labels of a row, by name.
    pub(super) fn of_row(&self, row: usize) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.starts[row] as usize..self.starts[row + 1] as usize;
        entries.map(|at| (self.keys.get(self.key_codes[at]), self.values.get(self.value_codes[at])))
    }

    /// One label of these as if it had a column.
    pub(super) fn column(&self, name: &str) -> LabelColumn {
        let key = self.keys.find(name);
        let mut codes = vec![0; self.starts.len() - 1];
        let mut is_used = vec![false; self.values.len()];
        for (row, code) in codes.iter_mut().enumerate() {
            let mut entries = self.starts[row] as usize..self.starts[row + 1] as usize;
            if let Some(at) = entries.find(|at| Some(self.key_codes[*at]) == key) {
                *code = self.value_codes[at] + 1;
                is_used[self.value_codes[at] as usize] = true;
            }
        }
        // The dictionary has the values of all labels; a column has its own.
        let used: Vec<u32> = (0..self.values.len() as u32).filter(|at| is_used[*at as usize]).collect();
        for code in codes.iter_mut().filter(|code| **code > 0) {
            *code = used.partition_point(|at| *at + 1 < *code) as u32 + 1;
        }
        LabelColumn { values: self.values.only(&used), codes: Codes::new(codes) }
    }
}
