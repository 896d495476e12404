//! Listing the names and values of labels of rows.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::Block;
use super::labels::LabelColumn;

/// Some rows of one row group.
#[derive(Clone, Debug)]
pub(crate) struct GroupRanges {
    /// The group.
    pub(super) group: usize,
    /// Places in the group, from the first to behind the last; sorted, apart from each other.
    pub(super) ranges: Vec<(u32, u32)>,
}

impl Block {
    /// All rows.
    pub(crate) fn all_ranges(&self) -> io::Result<Vec<GroupRanges>> {
        let groups = self.layout()?.groups.iter().enumerate();
        Ok(groups.map(|(group, rows)| GroupRanges { group, ranges: vec![(0, rows.rows)] }).collect())
    }

    /// The given sorted rows.
    pub(crate) fn ranges_of(&self, rows: &[u32]) -> io::Result<Vec<GroupRanges>> {
        let ranges = |first: u32, rows: &[u32]| {
            let neighbours = rows.chunk_by(|a, b| a + 1 == *b);
            neighbours.map(|run| (run[0] - first, run[run.len() - 1] + 1 - first)).collect()
        };
        let groups = self.by_group(rows)?.into_iter();
        Ok(groups.map(|(group, first, rows)| GroupRanges { group, ranges: ranges(first, rows) }).collect())
    }

    /// Sorted names of the labels that the rows have.
    pub(crate) fn label_names(&self, rows: &[GroupRanges]) -> io::Result<Vec<String>> {
        let layout = self.layout()?;
        let mut names = BTreeSet::new();
        for GroupRanges { group, ranges } in rows {
            let is_whole = self.is_whole(*group, ranges);
            for (name, column) in &layout.labels {
                if names.contains(&**name) || self.is_empty(*group, *column) {
                    continue;
                }
                let texts = self.texts(*group, *column)?;
                let is_used = if is_whole { texts.values.len() > 0 } else { texts.codes.any(ranges, |code| code != 0) };
                if is_used {
                    names.insert(name.to_string());
                }
            }
            let Some(rest) = self.rest(*group)? else { continue };
            if is_whole {
                names.extend(rest.names().iter().map(str::to_owned));
                continue;
            }
            for (name, _) in ranges.iter().flat_map(|(from, to)| *from..*to).flat_map(|row| rest.of_row(row as usize)) {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Sorted values of a label that the rows have.
    pub(crate) fn label_values(&self, name: &str, rows: &[GroupRanges]) -> io::Result<Vec<String>> {
        let mut columns: Vec<(Arc<LabelColumn>, Vec<bool>)> = Vec::new();
        for GroupRanges { group, ranges } in rows {
            let Some(column) = self.label(*group, name)? else { continue };
            // Every value of a dictionary is the value of some row.
            let mut used = vec![self.is_whole(*group, ranges); column.values.len() + 1];
            let mut unseen = if used[0] { 0 } else { used.len() };
            if unseen > 0 {
                column.codes.any(ranges, |code| {
                    unseen -= usize::from(!std::mem::replace(&mut used[code as usize], true));
                    unseen == 0
                });
            }
            columns.push((column, used));
        }
        let of_column = |(column, used): &'_ (Arc<LabelColumn>, Vec<bool>)| -> Vec<u32> {
            (1..column.values.len() as u32 + 1).filter(|code| used[*code as usize]).collect()
        };
        let codes: Vec<Vec<u32>> = columns.iter().map(of_column).collect();
        let columns = columns.iter().zip(&codes);
        let mut values: Vec<&str> =
            columns.flat_map(|((column, _), codes)| codes.iter().filter_map(|code| column.value(*code))).collect();
        values.sort();
        values.dedup();
        Ok(values.into_iter().map(str::to_owned).collect())
    }

    fn is_whole(&self, group: usize, ranges: &[(u32, u32)]) -> bool {
        self.layout().is_ok_and(|layout| ranges == [(0, layout.groups[group].rows)])
    }
}
