//! How much of a block some of its rows are.

use std::io;

use super::Block;
use super::layout::{Layout, Piece};

/// Pages of samples, touched and not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) pages: u64,
    pub(crate) other_pages: u64,
    /// Of the touched pages, as they are stored.
    pub(crate) bytes: u64,
}

impl Block {
    /// The pages of times and values that hold any of these sorted rows.
    pub(crate) fn touched(&self, rows: &[u32]) -> io::Result<Touched> {
        let mut sum = Touched::default();
        let Layout { groups, columns, .. } = self.layout()?;
        let payloads = [Some(columns.timestamps), Some(columns.values), columns.histograms, columns.starts];
        let by_group = self.by_group(rows)?;
        for (at, group) in groups.iter().enumerate() {
            let mine = by_group.iter().find(|(number, ..)| *number == at);
            for column in payloads.into_iter().flatten().filter(|column| !self.is_empty(at, *column)) {
                let chunk = &group.chunks[column];
                let all = chunk.pages.len() as u64 + u64::from(chunk.dictionary.is_some());
                let Some((_, first, rows)) = mine else {
                    sum.other_pages += all;
                    continue;
                };
                let mut pages: Vec<&Piece> = chunk.dictionary.iter().collect();
                // The codes of a dictionary are read together with it.
                if chunk.dictionary.is_some() {
                    pages.extend(&chunk.pages);
                } else {
                    let mut places: Vec<usize> = rows
                        .iter()
                        .map(|row| chunk.pages.partition_point(|page| page.first_row <= row - first) - 1)
                        .collect();
                    places.dedup();
                    pages.extend(places.into_iter().map(|place| &chunk.pages[place]));
                }
                sum.pages += pages.len() as u64;
                sum.other_pages += all - pages.len() as u64;
                sum.bytes += pages.iter().map(|page| u64::from(page.length)).sum::<u64>();
            }
        }
        Ok(sum)
    }
}
