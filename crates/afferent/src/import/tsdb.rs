//! The blocks of a Prometheus.

use std::path::Path;

use anyhow::bail;
use tsdb::{Block, find_blocks};

use super::progress::Progress;
use super::target::Target;

/// Hands over all series of all blocks. Chunks, series and blocks that cannot be read are left out and named.
pub(super) fn read(path: &Path, target: &mut dyn Target, progress: &mut Progress) -> anyhow::Result<()> {
    let dirs = find_blocks(path)?;
    if dirs.is_empty() {
        bail!("there is no block of Prometheus in {}: a block is a directory with a meta.json", path.display());
    }
    for (number, dir) in dirs.iter().enumerate() {
        let block = match Block::open(dir) {
            Ok(block) => block,
            Err(error) => {
                progress.damaged(&error);
                continue;
            }
        };
        let pieces = match block.series() {
            Ok(pieces) => pieces,
            Err(error) => {
                progress.damaged(&error);
                continue;
            }
        };
        for piece in pieces {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    progress.damaged(&error);
                    continue;
                }
            };
            progress.count(&piece.labels, piece.samples.len());
            target.add(&piece.labels, &piece.samples)?;
            progress.report_at_times(|| format!("block {} of {}", number + 1, dirs.len()));
        }
        progress.blocks += 1;
    }
    Ok(())
}
