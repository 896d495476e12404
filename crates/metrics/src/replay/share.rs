//! Sharing out numbered tasks among threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Does tasks from 0 on, in this order, until all `tasks` are begun or `goes_on` answers false; answers the results of those
/// that were begun, the first at least, in their order.
pub(super) fn share<T: Send>(
    threads: usize,
    tasks: usize,
    goes_on: impl Fn() -> bool + Sync,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return done;
            }
            done.push((task, work(task)));
            if !goes_on() {
                return done;
            }
        }
    };
    let mut done = std::thread::scope(|scope| {
        let running: Vec<_> = (1..threads.min(tasks)).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for thread in running {
            done.extend(thread.join().expect("replaying a log does not panic"));
        }
        done
    });
    done.sort_unstable_by_key(|(task, _)| *task);
    done.into_iter().map(|(_, result)| result).collect()
}
