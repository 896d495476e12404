//! What happens between two starts.

use std::path::{Path, PathBuf};

use blocks::catalogue::{MIRROR_NAME, block_id};
use metrics::Importer;
use model::{
    Labels, Matcher, RejectReason, Sample, SampleBuffer, SampleValue, Tenant, TimeRange, Timestamp, WriteBatch,
};
use rand::RngExt;

use super::history::{History, Stop};
use super::model::{exemplar_at, sent_value, start_at, value_at};
use super::world::{DATA, HOUR, MINUTE};
use crate::support::append;

pub(super) const METRICS: [&str; 7] = ["up", "cpu", "hist", "start", "thin", "short", "ex"];

pub(super) fn tenants() -> [Tenant; 3] {
    [Tenant::default(), Tenant::new("a").unwrap(), Tenant::new("b").unwrap()]
}

impl History {
    pub(super) fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..42 => self.append(),
            42..50 => self.flush(),
            50..57 => {
                self.note("maintain");
                self.maintain();
            }
            57..63 => {
                let by = self.random.random_range(0..4 * HOUR);
                self.note(format!("{} minutes pass", by / MINUTE));
                self.world.clock.advance_ms(by);
            }
            63..66 => self.delete(),
            66..68 => {
                let result = self.store().clean_tombstones();
                self.note(format!("clean: {result:?}"));
            }
            68..71 => self.import(),
            71..73 => self.snapshot(),
            73..76 => self.open_reader(),
            76..79 => self.check_reader(),
            79..82 => self.check_part(),
            82..86 => {
                self.note("noise");
                self.world.noise(&mut self.random, true);
            }
            86..88 => {
                let space = self.random.random_range(0..6000);
                self.note(format!("{space} bytes left"));
                self.world.disk.set_space(Some(space));
            }
            88..91 => {
                self.note("quiet");
                self.world.quiet();
            }
            91..93 => {
                let left = self.random.random_range(0..150);
                self.note(format!("the power goes in {left} operations"));
                self.world.disk.set_power(Some(left));
            }
            93..96 => {
                let how = [Stop::Close, Stop::Drop, Stop::Crash][self.random.random_range(0..3_usize)];
                self.stop(how);
                self.start();
            }
            96..99 => self.corrupt(),
            _ => self.lose_disk(),
        }
    }

    fn labels(&mut self) -> Labels {
        let metric = METRICS[self.random.random_range(0..METRICS.len())];
        let instances = if self.one_in(20) { 1000 } else { 4 };
        let instance = self.random.random_range(0..instances).to_string();
        Labels::from_pairs([("__name__", metric), ("instance", instance.as_str()), ("job", "simulated")])
    }

    fn append(&mut self) {
        self.world.clock.advance_ms(self.random.random_range(0..MINUTE));
        let now = self.world.now();
        let tenant = tenants()[[0, 0, 0, 1, 2][self.random.random_range(0..5_usize)]].clone();
        let mut batch = WriteBatch { tenant: tenant.clone(), ..WriteBatch::default() };
        let mut sent = Vec::new();
        for _ in 0..self.random.random_range(1..40) {
            let labels = self.labels();
            let late = if self.one_in(4) { self.random.random_range(0..40 * MINUTE) } else { 0 };
            let t = (now - late) / 1000 * 1000;
            // Now and then a sample contradicts one that is there.
            let key = (tenant.clone(), labels.clone(), t);
            let may_contradict = labels.metric_name() == "cpu" && self.model.cell(&key).is_some_and(|c| c.must());
            let variant = if may_contradict { self.random.random_range(0..3) } else { 0 };
            let value = value_at(&labels, t, variant);
            let sample = Sample { timestamp: Timestamp(t), start_timestamp: start_at(&labels, t), value };
            batch.push(labels, None, sample);
            if key.1.metric_name() == "ex" && t % 3000 == 0 {
                batch.rows.last_mut().unwrap().exemplars.push(exemplar_at(t));
            }
            sent.push((key, variant));
        }
        let store = self.store();
        let result = append(&store, batch);
        let text = result.as_ref().map(|report| report.rejected.len()).map_err(ToString::to_string);
        self.note(format!("append {} to {tenant:?} at {now}: {text:?}", sent.len()));
        self.work.acknowledged += u64::from(result.is_ok());
        self.work.refused += u64::from(result.is_err());
        for (row, (key, variant)) in sent.into_iter().enumerate() {
            let rejection = result.as_ref().ok().and_then(|r| r.rejected.iter().find(|r| r.row == row));
            if let Some(rejection) = rejection {
                self.is_fair(&key, variant, rejection.reason);
                continue;
            }
            if key.1.metric_name() == "ex" && key.2 % 3000 == 0 {
                self.model.sent_exemplar(&key, result.is_ok());
            }
            let value = sent_value(&key.1, key.2, variant);
            self.model.sent(key, value, result.is_ok(), true);
        }
    }

    /// Panics where the store had no reason to refuse a sample.
    fn is_fair(&mut self, key: &(Tenant, Labels, i64), variant: u64, reason: RejectReason) {
        let fair = match reason {
            // What the head has seen of the series is not known here after deletions and restarts.
            RejectReason::OutOfOrder => key.2 < self.world.now() - 30 * MINUTE,
            // The head, which may not know what blocks hold, may have taken the contradiction.
            RejectReason::DuplicateTimestamp => variant > 0 || self.model.is_contradicted(key),
            _ => false,
        };
        assert!(fair, "{key:?} was refused: {reason:?}");
    }

    fn flush(&mut self) {
        let result = self.store().flush();
        self.note(format!("flush: {:?}", result.as_ref().map_err(ToString::to_string)));
        if result.is_ok() {
            self.work.flushes += 1;
            self.model.flushed();
        } else {
            self.work.failed_flushes += 1;
        }
    }

    fn delete(&mut self) {
        let tenant = tenants()[self.random.random_range(0..3_usize)].clone();
        let metric = ["up", "cpu", "hist", "start"][self.random.random_range(0..4_usize)];
        let mut matchers = vec![Matcher::equal("__name__", metric)];
        let instance = self.random.random_range(0..4).to_string();
        let is_one = self.random.random();
        if is_one {
            matchers.push(Matcher::equal("instance", &instance));
        }
        let start = self.world.now() - self.random.random_range(0..20 * HOUR);
        let range = match self.random.random_range(0..3) {
            0 => TimeRange::ALL,
            1 => TimeRange::new(start, start + self.random.random_range(0..10 * HOUR)),
            _ => TimeRange::new(start, i64::MAX),
        };
        let result = self.store().delete(&tenant, &matchers, range);
        self.note(format!("delete {metric} {instance} ({is_one}) of {tenant:?} in {range:?}: {result:?}"));
        let hit = |labels: &Labels, t: i64| {
            let is_meant = labels.metric_name() == metric && (!is_one || labels.get("instance") == Some(&instance));
            is_meant && range.contains(Timestamp(t))
        };
        self.model.delete(&tenant, hit, result.is_ok());
        if result.is_ok() {
            self.work.deletions += 1;
            self.model.flushed();
        }
    }

    fn import(&mut self) {
        let tenant = tenants()[self.random.random_range(0..2_usize)].clone();
        let store = self.store();
        let mut importer = Importer::new(&store, tenant.clone()).with_budget(self.random.random_range(1..8000));
        let mut sent = Vec::new();
        let mut result = Ok(());
        let age = [HOUR, 10 * HOUR, 40 * HOUR][self.random.random_range(0..3_usize)];
        for _ in 0..self.random.random_range(1..6) {
            let labels = self.labels();
            if matches!(labels.metric_name(), "thin" | "ex") {
                continue;
            }
            let variant = if labels.metric_name() == "cpu" { 5 } else { 0 };
            let mut samples = SampleBuffer::default();
            for _ in 0..self.random.random_range(1..30) {
                let t = (self.world.now() - self.random.random_range(0..age)) / 1000 * 1000;
                match value_at(&labels, t, variant) {
                    SampleValue::Float(value) => samples.push_float(t, value),
                    SampleValue::Histogram(histogram) => samples.push_histogram(t, histogram),
                }
                samples.set_last_start(start_at(&labels, t).map_or(0, Timestamp::ms));
                sent.push(((tenant.clone(), labels.clone(), t), sent_value(&labels, t, variant)));
            }
            result = result.and_then(|()| importer.add(&labels, &samples));
        }
        let result = result.and_then(|()| importer.finish());
        self.note(format!("import {}: {:?}", sent.len(), result.as_ref().map(Vec::len).map_err(ToString::to_string)));
        self.work.imports += u64::from(result.is_ok());
        for (key, value) in sent {
            self.model.sent(key, value, result.is_ok(), false);
        }
    }

    fn snapshot(&mut self) {
        let dir = PathBuf::from(format!("/snapshots/{}", self.trace.len()));
        let result = self.store().snapshot(&dir, false);
        self.note(format!("snapshot: {:?}", result.as_ref().map_err(ToString::to_string)));
        if result.is_ok() && !self.world.disk.is_off() {
            self.work.snapshots += 1;
            self.model.flushed();
            let power = self.world.disk.clone();
            self.world.quiet();
            power.set_power(None);
            let (store, report) = self.world.open_snapshot(&dir, &mut self.random);
            assert!(!report.found_damage() || self.damaged, "{report:?}");
            let own = self.store.replace(store);
            self.check("in a snapshot");
            self.store = own;
        }
        for (path, _) in self.world.disk.files() {
            if path.starts_with("/snapshots") {
                let _ = blocks::disk::Disk::remove(&self.world.disk, &path);
            }
        }
    }

    /// Flips a bit somewhere, between two starts or under a store that runs.
    fn corrupt(&mut self) {
        let is_running: bool = self.random.random();
        if !is_running {
            let how = [Stop::Drop, Stop::Crash][self.random.random_range(0..2_usize)];
            self.stop(how);
            self.world.disk.set_power(None);
        }
        self.world.quiet();
        let manifest = self.world.manifest();
        let in_bucket: Vec<String> = match &self.world.bucket {
            Some(bucket) => bucket.inner.list().unwrap().into_iter().map(|file| file.name).collect(),
            None => Vec::new(),
        };
        let on_disk: Vec<PathBuf> =
            self.world.disk.files().into_iter().filter(|(_, length)| *length > 0).map(|(path, _)| path).collect();
        let all = in_bucket.len() + on_disk.len();
        if all > 0 {
            // Every kind of file has its turn, though there are more of one kind than of another.
            let suffix = [".wal", "head.log", ".parquet", "catalogue.json", "copy.json", ""];
            let suffix = suffix[self.random.random_range(0..suffix.len())];
            let names: Vec<String> = on_disk.iter().map(|path| path.display().to_string()).collect();
            let candidates = in_bucket.iter().chain(&names).filter(|name| name.ends_with(suffix));
            let candidates: Vec<String> = candidates.cloned().collect();
            if !candidates.is_empty() {
                let hit = candidates[self.random.random_range(0..candidates.len())].clone();
                self.damage(&hit, manifest.as_ref(), is_running);
            }
        }
        if !is_running {
            self.start();
        }
    }

    fn damage(&mut self, hit: &str, manifest: Option<&blocks::catalogue::Manifest>, is_running: bool) {
        let name = Path::new(hit).file_name().unwrap().to_str().unwrap().to_owned();
        let is_in_bucket = !hit.starts_with('/');
        let is_manifest = hit.starts_with(DATA) && name.starts_with("catalogue");
        if is_manifest && (is_running || !self.manifests_are_sound) {
            return;
        }
        self.note(format!("a bit of {hit} flips, while running: {is_running}"));
        self.work.corruptions += 1;
        if let Some(id) = block_id(&name) {
            let Some(entry) = manifest.and_then(|manifest| manifest.block(id)) else { return };
            self.damaged = true;
            self.model.doubt_block(&entry.tenant, entry.range);
            self.readers.clear();
        } else if name.ends_with(".wal") || name == "head.log" {
            self.damaged = true;
            self.definitions_are_lost = is_running;
            self.model.doubt_log(true);
        } else if is_manifest {
            self.manifests_are_sound = false;
            self.damaged = true;
        } else if name == MIRROR_NAME {
            self.damaged = true;
        }
        if is_in_bucket {
            self.world.corrupt_in_bucket(hit, &mut self.random);
        } else {
            self.world.disk.corrupt(hit);
        }
    }

    /// The machine burns down; the bucket stays.
    fn lose_disk(&mut self) {
        if self.world.bucket.is_none() {
            return;
        }
        let mut is_orderly: bool = self.random.random();
        self.work.lost_disks += 1;
        if is_orderly {
            self.world.quiet();
            self.world.disk.set_power(None);
            self.maintain();
            // Upkeep waits after failures, and a damaged catalogue stays in the bucket until the next commit.
            is_orderly = self.world.bucket_knows_all();
        }
        self.note(format!("the disk is lost, orderly: {is_orderly}"));
        self.stop(Stop::Drop);
        self.world.quiet();
        self.world.disk.set_power(None);
        self.world.lose_disk();
        self.model.doubt_log(false);
        self.model.forget_damage();
        self.definitions_are_lost = false;
        if !is_orderly {
            self.model.doubt_deletions();
        }
        self.manifests_are_sound = false; // a quiet start
        self.start();
    }
}
