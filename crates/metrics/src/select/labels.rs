//! Labels of the series that only blocks have, read for all of them at once, column by column.

use model::{Held, Labels, Projection, SourceError};

use super::Reader;
use super::found::BlockRows;
use super::join::{Joined, NONE};

/// Series whose labels are read at a time.
const PART: usize = 4096;
/// What labels take besides their text.
const LABELS_BYTES: usize = 48;

/// Labels of the entries, empty where the head has the series. Entries whose labels cannot be read in any block are taken
/// out: without labels they are no answer.
pub(super) fn read(
    reader: &Reader,
    blocks: &[BlockRows],
    joined: &mut Joined,
    projection: Option<&Projection>,
    held: &mut Held,
) -> Result<Vec<Labels>, SourceError> {
    let mut labels = vec![None; joined.entries.len()];
    // For each block the entries to be looked up there: in the first block that has them.
    let mut asked: Vec<Vec<Ask>> = blocks.iter().map(|_| Vec::new()).collect();
    for (entry, found) in joined.entries.iter().zip(0_u32..) {
        if entry.slot != NONE {
            labels[found as usize] = Some(Labels::empty());
        } else {
            ask(joined, &mut asked, found, entry.sources().start);
        }
    }
    for at in 0..blocks.len() {
        let mut asks = std::mem::take(&mut asked[at]);
        asks.sort_unstable_by_key(|ask| ask.row);
        // A part at a time, because how long labels are is known when they are there.
        for asks in asks.chunks(PART) {
            let rows: Vec<u32> = asks.iter().map(|ask| ask.row).collect();
            let block = &blocks[at].block;
            match reader.sound(block, block.labels_of(&rows, projection))? {
                Some(read) => {
                    held.add(read.iter().map(|labels| labels.encoded_len() + LABELS_BYTES).sum())?;
                    asks.iter().zip(read).for_each(|(ask, read)| labels[ask.entry as usize] = Some(read));
                }
                None => {
                    for Ask { entry, source, .. } in asks {
                        let of_series = joined.entries[*entry as usize].sources();
                        let rest = (*source..of_series.end).find(|next| joined.sources[*next].block as usize > at);
                        rest.into_iter().for_each(|next| ask(joined, &mut asked, *entry, next));
                    }
                }
            }
        }
    }
    let mut is_known = labels.iter().map(Option::is_some);
    joined.entries.retain(|_| is_known.next().unwrap_or(false));
    Ok(labels.into_iter().flatten().collect())
}

/// A row whose labels are wanted.
struct Ask {
    entry: u32,
    source: usize,
    row: u32,
}

fn ask(joined: &Joined, asked: &mut [Vec<Ask>], entry: u32, source: usize) {
    if let Some(found) = joined.sources.get(source) {
        asked[found.block as usize].push(Ask { entry, source, row: found.row });
    }
}
