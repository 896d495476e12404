//! A source in memory: streams cut into pages of a few entries, with or without columns and filters.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use model::{
    ABSENT, Column, FieldColumn, LabelRequest, Labels, LineFormat, Lines, LogPage, LogRequest, LogSource, NamedColumn,
    NumberColumn, NumberStyle, PageInfo, SourceError, StreamSet,
};

/// One entry: time, line, structured metadata.
pub(crate) type Entry = (i64, Vec<u8>, Vec<(String, String)>);

/// What pages tell beside their lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Help {
    /// Nothing: every line must be parsed.
    Plain,
    /// Columns of fields, and exact filters.
    Columns,
}

#[derive(Clone, Default)]
pub(crate) struct MemorySource {
    streams: Vec<(Labels, Vec<Arc<Page>>)>,
}

pub(crate) struct Page {
    info: PageInfo,
    timestamps: Arc<[i64]>,
    lines: Arc<Lines>,
    metadata: Arc<[NamedColumn]>,
    columns: BTreeMap<(bool, String), Arc<Column>>,
    is_all: [bool; 2],
    help: Help,
}

impl MemorySource {
    /// Streams in pages of `page` entries. Equal labels are one stream; equal entries are one.
    pub(crate) fn new(streams: Vec<(Labels, Vec<Entry>)>, page: usize, help: Help) -> Self {
        let mut joined: BTreeMap<Labels, Vec<Entry>> = BTreeMap::new();
        for (labels, entries) in streams {
            joined.entry(labels).or_default().extend(entries);
        }
        let pages = |mut entries: Vec<Entry>| {
            entries.sort_by_key(|entry| entry.0);
            let mut unique: Vec<Entry> = Vec::new();
            for entry in entries {
                if !unique.iter().rev().take_while(|known| known.0 == entry.0).any(|known| known.1 == entry.1) {
                    unique.push(entry);
                }
            }
            unique.chunks(page).map(|chunk| Arc::new(Page::new(chunk, help))).collect()
        };
        MemorySource { streams: joined.into_iter().map(|(labels, entries)| (labels, pages(entries))).collect() }
    }

    fn matching(&self, matchers: &[model::Matcher]) -> Vec<(Labels, Vec<Arc<Page>>)> {
        let fits =
            |labels: &Labels| matchers.iter().all(|matcher| matcher.matches(labels.get(&matcher.name).unwrap_or("")));
        self.streams.iter().filter(|(labels, _)| fits(labels)).cloned().collect()
    }
}

impl LogSource for MemorySource {
    fn select(&self, request: &LogRequest<'_>) -> Result<Box<dyn StreamSet>, SourceError> {
        let mut streams = self.matching(request.matchers);
        for (_, pages) in &mut streams {
            pages.retain(|page| {
                page.help == Help::Plain || request.fragments.iter().all(|fragment| page.may_contain(fragment))
            });
        }
        Ok(Box::new(Set(streams)))
    }

    fn label_names(&self, _: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }

    fn streams(&self, _: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        Ok(self.streams.iter().map(|(labels, _)| labels.clone()).collect())
    }
}

struct Set(Vec<(Labels, Vec<Arc<Page>>)>);

impl StreamSet for Set {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.0[index].0.clone()
    }

    fn pages(&self, index: usize) -> Result<Vec<Arc<dyn LogPage>>, SourceError> {
        Ok(self.0[index].1.iter().map(|page| page.clone() as Arc<dyn LogPage>).collect())
    }
}

fn dictionary(texts: Vec<Option<String>>) -> Column {
    // Whole numbers become such where their text is the one that a number has.
    let numbers: Option<Vec<i64>> = texts
        .iter()
        .map(|text| match text {
            None => Some(0),
            Some(text) => text.parse::<i64>().ok().filter(|number| number.to_string() == *text),
        })
        .collect();
    if let Some(values) = numbers {
        return Column::Integers { values, present: Some(texts.iter().map(Option::is_some).collect()) };
    }
    let mut values: Vec<Box<str>> = Vec::new();
    let codes = texts
        .into_iter()
        .map(|text| match text {
            None => ABSENT,
            Some(text) => match values.iter().position(|known| **known == *text) {
                Some(code) => code as u32,
                None => {
                    values.push(text.into());
                    values.len() as u32 - 1
                }
            },
        })
        .collect();
    Column::Dictionary { values, codes }
}

impl Page {
    fn new(entries: &[Entry], help: Help) -> Page {
        let mut lines = Lines::default();
        entries.iter().for_each(|entry| lines.push(&entry.1));
        let metadata_bytes = entries.iter().flat_map(|entry| &entry.2).map(|(n, v)| (n.len() + v.len()) as u64).sum();
        let info = PageInfo {
            first: entries[0].0,
            last: entries[entries.len() - 1].0,
            entries: entries.len() as u32,
            line_bytes: entries.iter().map(|entry| entry.1.len() as u64).sum(),
            metadata_bytes,
        };
        let mut names: Vec<&str> = entries.iter().flat_map(|entry| &entry.2).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let value = |entry: &Entry, name: &str| entry.2.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let metadata = names
            .iter()
            .map(|name| NamedColumn {
                name: (*name).into(),
                values: dictionary(entries.iter().map(|entry| value(entry, name)).collect()),
            })
            .collect();
        let mut columns: BTreeMap<(bool, String), Vec<Option<String>>> = BTreeMap::new();
        let mut is_all = [true; 2];
        let mut scratch = logfields::Scratch::default();
        for (place, entry) in entries.iter().enumerate() {
            for (format, is_fine) in is_all.iter_mut().enumerate() {
                let add = |name: &str, value: &str| {
                    let column =
                        columns.entry((format == 0, name.to_owned())).or_insert_with(|| vec![None; entries.len()]);
                    column[place] = Some(value.to_owned());
                    ControlFlow::Continue(())
                };
                *is_fine &= match format {
                    0 => logfields::json(&entry.1, &mut scratch, add).is_ok(),
                    _ => {
                        let options = logfields::LogfmtOptions { strict: true, keep_empty: false };
                        logfields::logfmt(&entry.1, options, &mut scratch, add).is_ok()
                    }
                };
            }
        }
        Page {
            info,
            timestamps: entries.iter().map(|entry| entry.0).collect(),
            lines: Arc::new(lines),
            metadata,
            columns: columns.into_iter().map(|(key, texts)| (key, Arc::new(dictionary(texts)))).collect(),
            is_all,
            help,
        }
    }
}

impl LogPage for Page {
    fn info(&self) -> PageInfo {
        self.info
    }

    fn may_contain(&self, fragment: &[u8]) -> bool {
        self.help == Help::Plain || self.lines.text.windows(fragment.len().max(1)).any(|window| window == fragment)
    }

    fn timestamps(&self) -> Result<Arc<[i64]>, SourceError> {
        Ok(self.timestamps.clone())
    }

    fn lines(&self) -> Result<Arc<Lines>, SourceError> {
        Ok(self.lines.clone())
    }

    fn metadata(&self) -> Result<Arc<[NamedColumn]>, SourceError> {
        Ok(self.metadata.clone())
    }

    fn column(&self, format: LineFormat, field: &str) -> Result<Option<Arc<Column>>, SourceError> {
        if self.help == Help::Plain {
            return Ok(None);
        }
        Ok(self.columns.get(&(format == LineFormat::Json, field.to_owned())).cloned())
    }

    fn field(&self, format: LineFormat, field: &str) -> Result<Option<FieldColumn>, SourceError> {
        let column = self.column(format, field)?;
        Ok(column.map(|column| match &*column {
            Column::Integers { values, present } if present.iter().flatten().all(|is_there| *is_there) => {
                FieldColumn::Numbers(NumberColumn {
                    prefix: "".into(),
                    suffix: "".into(),
                    style: NumberStyle::Plain,
                    values: values.clone(),
                })
            }
            _ => FieldColumn::Values(column),
        }))
    }

    fn find(&self, text: &[u8]) -> Result<Option<Vec<u32>>, SourceError> {
        if self.help == Help::Plain {
            return Ok(None);
        }
        let contains = |at: &u32| self.lines.get(*at as usize).windows(text.len()).any(|window| window == text);
        Ok(Some((0..self.info.entries).filter(contains).collect()))
    }

    fn find_in_any_case(&self, text: &[u8]) -> Result<Option<Vec<u32>>, SourceError> {
        if self.help == Help::Plain {
            return Ok(None);
        }
        let contains =
            |at: &u32| self.lines.get(*at as usize).windows(text.len()).any(|window| window.eq_ignore_ascii_case(text));
        Ok(Some((0..self.info.entries).filter(contains).collect()))
    }

    fn is_none(&self, format: LineFormat) -> bool {
        let begins = |at| self.lines.get(at).trim_ascii_start().first().is_some_and(|b| *b == b'{' || !b.is_ascii());
        self.help == Help::Columns && format == LineFormat::Json && !(0..self.lines.len()).any(begins)
    }

    fn may_have_metadata(&self, name: &str) -> bool {
        self.metadata.iter().any(|column| &*column.name == name)
    }

    fn is_all(&self, format: LineFormat) -> bool {
        self.help == Help::Columns && self.is_all[usize::from(format == LineFormat::Logfmt)]
    }

    fn fields(&self, format: LineFormat) -> Vec<String> {
        self.columns.keys().filter(|key| key.0 == (format == LineFormat::Json)).map(|key| key.1.clone()).collect()
    }
}
