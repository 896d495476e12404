//! Comparing what is read with what must be there.

use std::collections::BTreeMap;

use model::{
    Labels, Matcher, SampleBuffer, SelectRequest, SeriesSet, SeriesSource, SourceError, Tenant, TimeRange, Timestamp,
};
use rand::RngExt;

use super::history::{History, Reader};
use super::model::{Cells, is_expired, is_thin, read_value};
use super::world::THIN_TO;

type Found = BTreeMap<Labels, SampleBuffer>;

fn read(set: &dyn SeriesSet) -> Result<Found, SourceError> {
    let mut found = Found::new();
    for index in 0..set.len() {
        let mut samples = SampleBuffer::default();
        set.read(index, TimeRange::ALL, &mut samples)?;
        assert!(samples.timestamps.is_sorted_by(|a, b| a < b), "samples in order, each time once");
        assert!(found.insert(set.labels(index), samples).is_none(), "each label set once");
    }
    Ok(found)
}

impl History {
    /// Compares everything, while nothing fails.
    pub(super) fn check(&mut self, when: &str) {
        self.work.checks += 1;
        let missing = self.compare(true);
        let text: Vec<String> =
            missing.iter().take(5).map(|(tenant, labels, t)| format!("{tenant:?} {labels} {t}")).collect();
        assert!(missing.is_empty(), "{when}: {} samples are missing: {}", missing.len(), text.join(", "));
        let exemplars = self.missing_exemplars();
        assert!(exemplars.is_empty(), "{when}: exemplars are missing: {exemplars:?}");
    }

    /// Compares what can be read while something fails: nothing may be there that was not sent.
    pub(super) fn check_what_is_there(&mut self) {
        self.compare(false);
    }

    /// Acknowledged samples that are not there. Panics at anything that is there and should not be.
    fn compare(&mut self, is_quiet: bool) -> Vec<(Tenant, Labels, i64)> {
        let store = self.store();
        let mut missing = Vec::new();
        let mut losses = 0;
        for tenant in super::steps::tenants() {
            let request =
                SelectRequest { tenant: &tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
            let set = match store.select(&request) {
                Ok(set) => set,
                Err(error) if !is_quiet => {
                    self.note(format!("cannot select: {error}"));
                    continue;
                }
                Err(error) => panic!("cannot select: {error}"),
            };
            let found = match read(&*set) {
                Ok(found) => found,
                Err(error) if !is_quiet => {
                    self.note(format!("cannot read: {error}"));
                    continue;
                }
                Err(error) => panic!("cannot read: {error}"),
            };
            let warnings = set.warnings();
            if !warnings.is_empty() {
                assert!(self.damaged || !is_quiet, "warnings without damage: {warnings:?}");
                self.note(format!("warned: {}", warnings[0]));
                self.told |= self.damaged;
            }
            let cells = self.model.tenants.get(&tenant).cloned().unwrap_or_default();
            self.surplus(&tenant, &cells, &found);
            losses += self.lost(&cells, &found);
            let before = missing.len();
            self.deficit(&tenant, &cells, &found, &mut missing);
            if is_quiet {
                self.check_thinned(&cells, &found);
            }
            if !is_quiet {
                let is_told = missing.len() == before || !warnings.is_empty();
                assert!(is_told, "{} samples are missing in silence", missing.len() - before);
            }
        }
        self.told |= self.damaged && (store.stats().damaged_reads > 0 || self.has_quarantine());
        if is_quiet && losses > 0 {
            self.work.losses += 1;
            assert!(self.told, "{losses} samples went with damaged bytes, and nothing was said");
        }
        missing
    }

    fn has_quarantine(&self) -> bool {
        self.world.disk.files().iter().any(|(path, _)| path.to_string_lossy().contains("quarantine"))
    }

    /// Acknowledged samples that damage took away.
    fn lost(&self, cells: &Cells, found: &Found) -> usize {
        let (now, retention) = (self.world.now(), self.world.retention);
        let is_there =
            |labels: &Labels, t: i64| found.get(labels).is_some_and(|s| s.timestamps.binary_search(&t).is_ok());
        let hurt = cells
            .iter()
            .flat_map(|(labels, cells)| cells.iter().filter(|(_, cell)| cell.is_hurt).map(move |(t, _)| (labels, *t)));
        let due = hurt.filter(|(labels, t)| !is_expired(labels, *t, now, retention) && !is_thin(labels, *t, now));
        due.filter(|(labels, t)| !is_there(labels, *t)).count()
    }

    /// Panics at samples that should not be there.
    fn surplus(&self, tenant: &Tenant, cells: &Cells, found: &Found) {
        let (now, retention) = (self.world.now(), self.world.retention);
        for (labels, samples) in found {
            for (row, t) in samples.timestamps.iter().enumerate() {
                let value = read_value(samples, row);
                let cell = cells.get(labels).and_then(|cells| cells.get(t));
                let is_old = is_expired(labels, *t, now, retention);
                let is_right = cell.is_some_and(|cell| cell.allows(&value, is_old));
                let ever = self.model.ever.contains(&((tenant.clone(), labels.clone(), *t), value.clone()));
                assert!(is_right, "{tenant:?} {labels} {t}: {value:?} is there (ever sent: {ever}), should: {cell:?}");
            }
        }
    }

    fn deficit(&mut self, tenant: &Tenant, cells: &Cells, found: &Found, missing: &mut Vec<(Tenant, Labels, i64)>) {
        let (now, retention) = (self.world.now(), self.world.retention);
        let none = SampleBuffer::default();
        for (labels, cells) in cells {
            let samples = found.get(labels).unwrap_or(&none);
            for (t, cell) in cells {
                let is_due = cell.must() && !is_expired(labels, *t, now, retention) && !is_thin(labels, *t, now);
                if is_due && samples.timestamps.binary_search(t).is_err() {
                    missing.push((tenant.clone(), labels.clone(), *t));
                }
            }
        }
    }

    /// In a bucket that was thinned every sample is accounted for.
    fn check_thinned(&mut self, cells: &Cells, found: &Found) {
        let (now, retention) = (self.world.now(), self.world.retention);
        let none = SampleBuffer::default();
        for (labels, cells) in cells.iter().filter(|(labels, _)| labels.metric_name() == "thin") {
            let samples = found.get(labels).unwrap_or(&none);
            let mut buckets: BTreeMap<i64, (u64, bool)> = BTreeMap::new();
            for (t, cell) in cells.iter().filter(|(t, _)| is_thin(labels, **t, now)) {
                let bucket = buckets.entry(model::Aggregate::bucket(*t, THIN_TO).1).or_default();
                bucket.0 += 1;
                bucket.1 |= !cell.must() || is_expired(labels, *t, now, retention);
            }
            for (end, (count, _)) in buckets.into_iter().filter(|(_, (_, is_doubtful))| !is_doubtful) {
                let rows = samples.rows_in(TimeRange::new(end - THIN_TO + 1, end));
                let stands_for = |row| samples.aggregate(row).map_or(1, |a| u64::from(a.count));
                let counted: u64 = rows.clone().map(stands_for).sum();
                // Damage may have hit a block before this bucket was made of it; then there are fewer, never more.
                let is_right = counted == count || (self.damaged && counted < count);
                assert!(is_right, "{labels}: the bucket up to {end} stands for {counted} samples, not {count}");
                self.work.thinned += u64::from((rows.len() as u64) < count);
            }
        }
    }

    fn missing_exemplars(&self) -> Vec<(Labels, i64)> {
        let (now, retention) = (self.world.now(), self.world.retention);
        let mut missing = Vec::new();
        for tenant in super::steps::tenants() {
            let found = self.store().exemplars(&tenant, &[], TimeRange::ALL).expect("exemplars can be read");
            let mut there = std::collections::BTreeSet::new();
            for series in found {
                for exemplar in series.exemplars {
                    let t = exemplar.timestamp.map_or(0, Timestamp::ms);
                    assert_eq!(exemplar, super::model::exemplar_at(t), "{}", series.labels);
                    let key = (tenant.clone(), series.labels.clone(), t, exemplar.value.to_bits());
                    assert!(there.insert(key), "{} {t}: an exemplar twice", series.labels);
                }
            }
            let all = self.model.exemplars.iter().filter(|((of, ..), must)| **must && *of == tenant);
            let due = all.filter(|((_, labels, t, _), _)| !is_expired(labels, *t, now, retention));
            missing.extend(
                due.filter(|(key, _)| !there.contains(*key)).map(|((_, labels, t, _), _)| (labels.clone(), *t)),
            );
        }
        missing
    }

    /// A selection of some series and times shows what the whole one shows of them.
    pub(super) fn check_part(&mut self) {
        let store = self.store();
        let tenant = super::steps::tenants()[self.random.random_range(0..3_usize)].clone();
        let metric = super::steps::METRICS[self.random.random_range(0..super::steps::METRICS.len())];
        let matchers = [Matcher::equal("__name__", metric)];
        let start = self.world.now() - self.random.random_range(0..60) * super::world::HOUR / 10;
        let range = TimeRange::new(start, start + self.random.random_range(0..60) * super::world::MINUTE);
        let select = |matchers: &[Matcher], range: TimeRange| {
            let set =
                store.select(&SelectRequest { tenant: &tenant, matchers, range, projection: None, memory: None })?;
            let mut found: BTreeMap<Labels, Vec<(i64, super::model::Value)>> = BTreeMap::new();
            for index in 0..set.len() {
                let mut samples = SampleBuffer::default();
                set.read(index, range, &mut samples)?;
                let rows = (0..samples.len()).map(|row| (samples.timestamps[row], read_value(&samples, row)));
                found.insert(set.labels(index), rows.collect());
            }
            Ok::<_, SourceError>((found, set.warnings()))
        };
        let (Ok((part, of_part)), Ok((mut whole, of_whole))) = (select(&matchers, range), select(&[], TimeRange::ALL))
        else {
            self.note("cannot read a part");
            return;
        };
        // Where pages are damaged, each selection says so and shows what the pages that it needs hold: a column of labels is
        // needed by one and not by the other.
        if !of_part.is_empty() || !of_whole.is_empty() {
            assert!(self.damaged, "warnings without damage: {of_part:?} {of_whole:?}");
            return;
        }
        whole.retain(|labels, _| labels.metric_name() == metric);
        for samples in whole.values_mut() {
            samples.retain(|(t, _)| range.contains(Timestamp(*t)));
        }
        let filled = |found: BTreeMap<Labels, Vec<_>>| -> Vec<_> {
            found.into_iter().filter(|(_, samples)| !samples.is_empty()).collect()
        };
        assert_eq!(filled(part), filled(whole), "{metric} in {range:?}");
    }

    pub(super) fn open_reader(&mut self) {
        let tenant = super::steps::tenants()[self.random.random_range(0..3_usize)].clone();
        let request =
            SelectRequest { tenant: &tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
        if let Ok(set) = self.store().select(&request) {
            let cells = self.model.tenants.get(&tenant).cloned().unwrap_or_default();
            let now = self.world.now();
            self.readers.push(Reader { set, tenant, cells, now });
        }
    }

    /// A reader still sees all that it saw at first.
    pub(super) fn check_reader(&mut self) {
        let Some(reader) = self.readers.pop() else { return };
        let found = match read(&*reader.set) {
            Ok(found) => found,
            Err(error) => return self.note(format!("an old reader cannot read: {error}")),
        };
        self.work.reader_checks += 1;
        let none = SampleBuffer::default();
        for (labels, cells) in &reader.cells {
            let samples = found.get(labels).unwrap_or(&none);
            for (t, cell) in cells.iter().filter(|(_, cell)| cell.must()) {
                if is_expired(labels, *t, reader.now, self.world.retention) || is_thin(labels, *t, reader.now) {
                    continue;
                }
                let row = samples.timestamps.binary_search(t);
                let row = row.unwrap_or_else(|_| panic!("{labels} {t} was taken away from a reader"));
                let value = read_value(samples, row);
                assert!(cell.allows(&value, false), "{labels} {t}: a reader sees {value:?} instead of {cell:?}");
            }
        }
        for (labels, samples) in &found {
            for (row, t) in samples.timestamps.iter().enumerate() {
                let key = ((reader.tenant.clone(), labels.clone(), *t), read_value(samples, row));
                assert!(self.model.ever.contains(&key), "{labels} {t} was never sent");
            }
        }
    }
}
