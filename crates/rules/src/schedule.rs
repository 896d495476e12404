//! When groups are evaluated: at slots that are spread over the interval by the group's name, and stay the same through
//! restarts. Follows Prometheus' `Group.EvalTimestamp` and `Group.run`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Clock, Labels, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::group::{Environment, GroupSettings};
use crate::manager::Shared;

/// The slot of a group at or before a time.
pub fn eval_slot(now: Timestamp, settings: &GroupSettings) -> Timestamp {
    let interval = settings.interval_ms.max(1);
    let name = settings.config.name.as_str();
    let hash = Labels::from_pairs([("file", settings.file.as_str()), ("name", name)]).hash64();
    let offset = (hash % interval as u64) as i64;
    let adjusted = now.ms() - offset;
    Timestamp(adjusted - adjusted.rem_euclid(interval) + offset)
}

/// How many slots after the last evaluation went by without one, when the next one begins at `now`.
pub fn missed_iterations(last: Timestamp, now: Timestamp, interval_ms: i64) -> i64 {
    ((now.ms() - last.ms()) / interval_ms.max(1) - 1).max(0)
}

/// Evaluates a group at its slots until it is told to stop.
pub(crate) async fn run(
    shared: Arc<Shared>,
    environment: Arc<Environment>,
    permits: Arc<Semaphore>,
    stop: CancellationToken,
) {
    let settings = shared.settings.clone();
    let interval_ms = settings.interval_ms.max(1);
    let key = settings.key();
    let clock = environment.clock.clone();
    let mut at = eval_slot(clock.now(), &settings).plus_ms(interval_ms);
    let mut missed = 0;
    let mut evaluations = 0_u64;
    loop {
        let Some(permit) = turn(&*clock, at, &permits, &stop).await else { return };
        if evaluations > 0 {
            missed = missed_iterations(at.plus_ms(-interval_ms), clock.now(), interval_ms);
            at = at.plus_ms(missed * interval_ms);
        }
        environment.metrics.due(&key, missed.unsigned_abs());
        evaluations += 1;
        let (group, environment) = (shared.clone(), environment.clone());
        let restore = evaluations >= 2;
        let key = key.clone();
        let done = tokio::task::spawn_blocking(move || {
            group.with(|group| {
                group.evaluate(&environment, at);
                if restore && group.needs_restore() {
                    let begin = Instant::now();
                    group.restore(&environment, environment.clock.now());
                    environment.metrics.restored(&key, begin.elapsed().as_secs_f64());
                }
            })
        });
        if done.await.is_err() {
            tracing::error!(group = settings.key(), "evaluating a group panicked");
        }
        drop(permit);
        at = at.plus_ms(interval_ms);
    }
}

/// Waits until a time and for a free place; `None` where the group is to stop.
async fn turn(
    clock: &dyn Clock,
    at: Timestamp,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<tokio::sync::OwnedSemaphorePermit> {
    while clock.now() < at {
        let wait = Duration::from_millis((at.ms() - clock.now().ms()).max(1).unsigned_abs());
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep_until(tokio::time::Instant::now() + wait) => {}
        }
    }
    tokio::select! {
        () = stop.cancelled() => None,
        permit = permits.clone().acquire_owned() => permit.ok(),
    }
}
