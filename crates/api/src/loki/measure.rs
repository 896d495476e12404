//! How much of a page lies in a span of time, from its head where that tells, from its times where it does not.

use model::{LogPage, NanoRange, SourceError};

/// Entries, and bytes of their lines and structured metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

/// What of a page lies in the range. Bytes of a part are its share by the number of entries.
pub(crate) fn amount(page: &dyn LogPage, range: NanoRange) -> Result<Amount, SourceError> {
    let info = page.info();
    let all = u64::from(info.entries);
    let bytes = info.line_bytes + info.metadata_bytes;
    if range.contains(info.first) && range.contains(info.last) {
        return Ok(Amount { entries: all, bytes });
    }
    if info.last < range.start || info.first >= range.end {
        return Ok(Amount::default());
    }
    let entries =
        u64::from(entries_before(page, &[range.start, range.end])?.windows(2).map(|p| p[1] - p[0]).sum::<u32>());
    Ok(Amount { entries, bytes: share(bytes, entries, all) })
}

/// For each of these times, ascending, how many entries of the page are older.
pub(crate) fn entries_before(page: &dyn LogPage, times: &[i64]) -> Result<Vec<u32>, SourceError> {
    // No entry is older than the least time there is.
    let until: Vec<i64> = times.iter().map(|time| time.saturating_sub(1)).collect();
    let mut counts = page.count_until(&until)?;
    counts.iter_mut().zip(times).filter(|(_, time)| **time == i64::MIN).for_each(|(count, _)| *count = 0);
    Ok(counts)
}

/// The entries whose times lie in the range, by place.
pub(crate) fn places(times: &[i64], range: NanoRange) -> std::ops::Range<usize> {
    let begin = times.partition_point(|time| *time < range.start);
    let end = times.partition_point(|time| *time < range.end);
    begin..end.max(begin)
}

/// The share that `part` of `whole` has of some bytes.
pub(crate) fn share(bytes: u64, part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (u128::from(bytes) * u128::from(part) / u128::from(whole)) as u64 }
}
