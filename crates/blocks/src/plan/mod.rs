//! Which blocks should become one, and which should go. Pure: entries in, a job or ids out.
//!
//! A block of level 0 is a flush of the head, or several of them. Blocks of level *n* lie within one window of the *n*th
//! size. A window is closed some time after its end; what lies in closed windows leaves level 0 and moves to the widest
//! window that is closed, so that old data goes where it will stay, in one step.

mod jobs;
mod retention;
#[cfg(test)]
mod tests;

use model::{Tenant, TimeRange, Timestamp};

pub use jobs::{next_job, next_job_without};
pub use retention::{Retention, expired};

const HOUR_MS: i64 = 3_600_000;

/// How blocks are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// Sizes of the windows of levels 1, 2, ... in milliseconds; each divides the next.
    pub windows_ms: Vec<i64>,
    /// A window is closed so many milliseconds after its end: the out-of-order window and the time until a flush.
    pub close_after_ms: i64,
    /// So many blocks of level 0 and of one size class, in windows that are still open, become one.
    pub fan_in: usize,
    /// The inputs of a job have at most so many bytes together; a single block may have more.
    pub max_job_bytes: u64,
    /// A job writes at most so many blocks.
    pub max_outputs: usize,
}

impl Default for PlanOptions {
    /// Windows of 2 h, 8 h, 1 d and 4 d; closed one hour and ten minutes after their end.
    fn default() -> Self {
        PlanOptions {
            windows_ms: vec![2 * HOUR_MS, 8 * HOUR_MS, 24 * HOUR_MS, 96 * HOUR_MS],
            close_after_ms: HOUR_MS + 600_000,
            fan_in: 8,
            max_job_bytes: 8 << 30,
            max_outputs: 16,
        }
    }
}

impl PlanOptions {
    /// All windows that end at or before this millisecond (not included) are closed.
    pub fn closed_before(&self, now: Timestamp) -> i64 {
        let smallest = self.windows_ms[0];
        now.ms().saturating_sub(self.close_after_ms).div_euclid(smallest).saturating_mul(smallest)
    }

    /// The window of a level (from 1 on) that holds a time.
    pub fn window(&self, level: u8, t: i64) -> TimeRange {
        let size = self.windows_ms[level as usize - 1];
        let start = i128::from(t.div_euclid(size)) * i128::from(size);
        let held = |t: i128| t.clamp(i64::MIN.into(), i64::MAX.into()) as i64; // the first and the last window are cut
        TimeRange::new(held(start), held(start + i128::from(size) - 1))
    }

    fn levels(&self) -> std::ops::RangeInclusive<u8> {
        1..=self.windows_ms.len() as u8
    }
}

/// A block that a job writes, where samples fall into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputWindow {
    /// The samples that go there, both ends included.
    pub range: TimeRange,
    /// Level of the block. 0 where what lies there is put together or split further later.
    pub level: u8,
}

/// Blocks to read, merge, split and write again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Whose blocks.
    pub tenant: Tenant,
    /// Ids of the blocks to merge, ascending. Where two hold different samples of one time, the one wins that stands first
    /// by [`BlockEntry::written`]; the outputs get its place.
    pub inputs: Vec<u64>,
    /// The blocks to write, in order of time. Every sample of the inputs falls into exactly one.
    pub outputs: Vec<OutputWindow>,
    /// Length of all inputs.
    pub input_bytes: u64,
}
