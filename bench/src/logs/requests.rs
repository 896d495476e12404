//! The lines in portions, each made of its number alone.

use super::lines::{Random, line};

/// Nanoseconds that the lines are spread over.
pub(super) const SPAN: i64 = 7_200_000_000_000;
/// Lines of a portion.
pub(super) const LINES: usize = 3600;
/// Bytes of a line on average, to tell the number of lines.
const BYTES_OF_A_LINE: usize = 278;

/// All portions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requests {
    pub(super) count: usize,
    pub(super) streams: usize,
    pub(super) begin: i64,
}

impl Requests {
    pub(super) fn new(megabytes: usize, streams: usize, begin: i64) -> Self {
        Requests { count: (megabytes * 1_000_000).div_ceil(LINES * BYTES_OF_A_LINE), streams, begin }
    }

    /// The lines of a portion, in order of time: stream, time, line.
    pub(super) fn lines(&self, number: usize, mut each: impl FnMut(usize, i64, &str)) {
        let mut random = Random(42 + number as u64 * 1_000_003);
        let step = SPAN / (self.count * LINES) as i64;
        let mut text = String::new();
        for at in 0..LINES {
            let index = (number * LINES + at) as i64;
            let stream = random.below(self.streams as u64) as usize;
            let time = self.begin + index * step + random.below(step.max(1) as u64) as i64;
            line(stream, time, &mut random, &mut text);
            each(stream, time, &text);
        }
    }

    /// The time after the last line.
    pub(super) fn end(&self) -> i64 {
        self.begin + SPAN
    }
}
