//! Taking in blocks that were written beside the head.

use super::Store;
use crate::{BlockEntry, StoreError};

impl Store {
    /// Adds finished blocks behind all that has come in before. Of two that hold a sample of one time the first listed wins.
    pub(crate) fn flush_and_commit(&self, mut blocks: Vec<BlockEntry>) -> Result<Vec<BlockEntry>, StoreError> {
        let mut maintenance = self.maintenance.lock();
        if let Err(error) = self.flush_holding(&mut maintenance) {
            self.shelf.discard(&blocks);
            return Err(error);
        }
        blocks.iter_mut().for_each(|block| block.first = self.shelf.reserve_id());
        let committed = self.shelf.commit(blocks.clone(), &[], |_| ());
        committed.map(|()| blocks).map_err(|error| self.failure("add imported blocks to", error))
    }
}
