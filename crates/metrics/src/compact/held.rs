//! Blocks that cannot be read for now, though nothing says that they are damaged: a bad sector, an object that the bucket will not
//! give. They are left alone for a while and warned about, so that all others are compacted.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use blocks::patience::Patience;
use parking_lot::Mutex;

use super::Compactor;
use super::merge_rows::{MergedRows, MergedSeries};
use crate::block::Block;
use crate::shelf::View;

/// How long a block is left alone after a first failure; it doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_secs(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// The blocks, by id.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<BTreeMap<u64, Patience>>);

impl Held {
    /// Blocks to leave alone now.
    pub(crate) fn ids(&self) -> BTreeSet<u64> {
        let held = self.0.lock();
        held.iter().filter(|(_, patience)| !patience.is_over()).map(|(id, _)| *id).collect()
    }

    /// Forgets blocks that do not count any more.
    pub(super) fn keep_to(&self, view: &View) {
        self.0.lock().retain(|id, _| view.manifest.block(*id).is_some());
    }

    fn hold(&self, id: u64) -> Duration {
        let patience = || Patience::new(FIRST_PAUSE, LONGEST_PAUSE);
        self.0.lock().entry(id).or_insert_with(patience).failed()
    }
}

impl Compactor {
    /// Finds the first of some blocks that made a job fail because it cannot be read, and leaves it alone for a while. Where no
    /// other block can be read either, it is the disk or the bucket that fails, and that is waited for as a whole.
    pub(super) fn hold_unreadable(&self, inputs: &[u64], error: &io::Error) {
        if error.kind() == io::ErrorKind::Interrupted {
            return;
        }
        let view = self.shelf.view();
        let of_job = |block: &&Arc<Block>| inputs.contains(&block.entry().id);
        let Some(block) = view.blocks.iter().filter(of_job).find(|block| !is_readable(block, &view)) else { return };
        let (id, held) = (block.entry().id, self.held.ids());
        let other = view.blocks.iter().find(|other| other.entry().id != id && !held.contains(&other.entry().id));
        if other.is_some_and(|other| !self.is_there(other)) {
            return;
        }
        let pause_s = self.held.hold(id).as_secs();
        let name = block.entry().file_name();
        tracing::warn!(name, %error, pause_s, "a block cannot be read; it is left out of compaction for a while");
    }

    fn is_there(&self, block: &Block) -> bool {
        let entry = block.entry();
        let opened = self.shelf.files().open_listed(&entry.file_name(), entry.bytes);
        opened.and_then(|file| file.read_at(&mut [0; 4], 0)).is_ok()
    }
}

fn is_readable(block: &Arc<Block>, view: &View) -> bool {
    let read_all = || -> io::Result<bool> {
        let mut rows = MergedRows::new(std::slice::from_ref(block), view)?;
        let mut series = MergedSeries::default();
        while rows.next(&mut series)? {}
        // What is damaged was to be set aside, and that may be what failed.
        Ok(rows.damaged().is_empty())
    };
    read_all().unwrap_or(false)
}
