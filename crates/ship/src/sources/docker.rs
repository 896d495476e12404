//! Containers: found through Docker's API, their logs followed from the time of the last line that was taken.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::models::{ContainerStateStatusEnum, ContainerSummary};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder, LogsOptionsBuilder};
use bollard::{API_DEFAULT_VERSION, Docker};
use config::promtail::DockerSdConfig;
use futures::StreamExt;
use gotemplate::time::Time;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{info, warn};

use super::{Source, label_name};
use crate::batch::Batch;
use crate::entry::Entry;
use crate::files::MOST_LINE;
use crate::intake::Stopped;
use crate::positions::{Mark, Marks};

/// Seconds that one request to Docker may take.
const TIMEOUT: u64 = 120;
/// Before logs are followed again after an error.
const PAUSE: Duration = Duration::from_secs(2);
/// Lines are handed over together.
const GATHER: Duration = Duration::from_millis(200);
const MOST_GATHERED: u64 = 128 << 10;

/// A container that is followed.
struct Followed {
    task: JoinHandle<()>,
}

pub(super) async fn run(source: Source, config: DockerSdConfig, marks: Marks) {
    let stop = source.context.stop.clone();
    let mut followed: BTreeMap<String, Followed> = BTreeMap::new();
    // A socket that is not there yet is looked for again, too.
    let mut reached = None;
    let mut said = None;
    let mut ticks = interval(config.refresh_interval.to_std());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => break,
        }
        let found = tokio::select! {
            found = list(reached.clone(), &config) => found,
            () = stop.cancelled() => break,
        };
        let (docker, containers) = match found {
            Ok(found) => found,
            Err(error) => {
                let error = error.to_string();
                // Said once: a machine may have no Docker at all.
                if said.as_ref() != Some(&error) {
                    info!(
                        job = source.job,
                        host = config.host,
                        error,
                        "containers cannot be listed; they are looked for again"
                    );
                }
                source.tell(&error);
                said = Some(error);
                continue;
            }
        };
        reached = Some(docker.clone());
        said = None;
        source.tell("running");
        followed.retain(|_, container| !container.task.is_finished());
        for container in containers {
            let Some(id) = container.id.clone() else { continue };
            if followed.contains_key(&id) {
                continue;
            }
            let labels = labels(&container, &config);
            let name = labels.iter().find(|(name, _)| name == "__meta_docker_container_name");
            let name = name.map_or_else(|| id.clone(), |(_, name)| name.trim_start_matches('/').to_owned());
            let mut own = source.sibling(&name);
            // A container that no rule keeps is not asked for its logs.
            if ["stdout", "stderr"].iter().all(|stream| own.base(with_stream(&labels, stream)).is_none()) {
                own.context.status.forget(&own.job, own.kind, &own.name);
                continue;
            }
            let since = since(marks.get(&key(&id)));
            let (docker, stop) = (docker.clone(), stop.clone());
            let task = tokio::spawn(async move {
                let mut last = since;
                tokio::select! {
                    _ = follow_to_the_end(&mut own, &docker, &id, &labels, &mut last) => {}
                    () = stop.cancelled() => {}
                }
                own.context.status.forget(&own.job, own.kind, &own.name);
            });
            followed.insert(container.id.unwrap_or_default(), Followed { task });
        }
    }
    for (_, container) in followed {
        // A panic has been reported.
        let _ = timeout(PAUSE, container.task).await;
    }
}

fn connect(host: &str) -> Result<Docker, bollard::errors::Error> {
    match host.strip_prefix("unix://") {
        Some(path) => Docker::connect_with_unix(path, TIMEOUT, API_DEFAULT_VERSION),
        None => Docker::connect_with_http(host, TIMEOUT, API_DEFAULT_VERSION),
    }
}

/// The containers that run, and the connection over which they were found: the one given, or a new one.
async fn list(
    docker: Option<Docker>,
    config: &DockerSdConfig,
) -> Result<(Docker, Vec<ContainerSummary>), bollard::errors::Error> {
    let docker = docker.map_or_else(|| connect(&config.host), Ok)?;
    let filters: HashMap<String, Vec<String>> = config.filters.iter().cloned().collect();
    let options = ListContainersOptionsBuilder::new().all(false).filters(&filters).build();
    let containers = docker.list_containers(Some(options)).await?;
    Ok((docker, containers))
}

/// The position's name, as Promtail has it.
fn key(id: &str) -> String {
    format!("cursor-{id}")
}

/// Nanoseconds of the last line taken; Promtail's own positions are in seconds.
fn since(mark: Option<&Mark>) -> i64 {
    match mark {
        Some(Mark::Cursor { cursor }) => Time::parse_rfc3339(cursor).map_or(0, Time::unix_nanos),
        Some(Mark::File { offset, .. }) => i64::try_from(*offset).unwrap_or(0).saturating_mul(1_000_000_000),
        None => 0,
    }
}

fn with_stream(labels: &[(String, String)], stream: &str) -> Vec<(String, String)> {
    let mut all = labels.to_vec();
    all.push(("__meta_docker_container_log_stream".to_owned(), stream.to_owned()));
    all
}

/// What Prometheus' and Promtail's Docker discovery says of a container.
fn labels(container: &ContainerSummary, config: &DockerSdConfig) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let mut add = |name: &str, value: &str| labels.push((format!("__meta_docker_{name}"), value.to_owned()));
    add("container_id", container.id.as_deref().unwrap_or_default());
    let name = container.names.as_ref().and_then(|names| names.first());
    add("container_name", name.map_or("", String::as_str));
    let mode = container.host_config.as_ref().and_then(|host| host.network_mode.as_deref()).unwrap_or_default();
    add("container_network_mode", mode);
    for (name, value) in container.labels.iter().flatten() {
        add(&format!("container_label_{}", label_name(name)), value);
    }
    let networks = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mut networks: Vec<_> = networks.into_iter().flatten().collect();
    networks.sort_by_key(|(name, _)| name.as_str());
    let mut host = config.host_networking_host.clone();
    if let Some((name, network)) = networks.first() {
        add("network_name", name);
        add("network_id", network.network_id.as_deref().unwrap_or_default());
        let ip = network.ip_address.as_ref().map(ToString::to_string).unwrap_or_default();
        add("network_ip", &ip);
        if !ip.is_empty() && mode != "host" {
            host = ip;
        }
    }
    let port = container.ports.iter().flatten().map(|port| u64::from(port.private_port)).min();
    if let Some(port) = port {
        add("port_private", &port.to_string());
    }
    labels.push(("__address__".to_owned(), format!("{host}:{}", port.unwrap_or(config.port))));
    labels
}

/// Follows a container's logs until it is gone.
async fn follow_to_the_end(
    source: &mut Source,
    docker: &Docker,
    id: &str,
    labels: &[(String, String)],
    last: &mut i64,
) -> Result<(), Stopped> {
    info!(job = source.job, container = source.name, "following a container");
    loop {
        let outcome = follow(source, docker, id, labels, last).await?;
        if let Err(error) = &outcome {
            source.context.metrics.docker_errors.inc();
            warn!(container = source.name, %error, "the logs of a container cannot be followed");
            source.tell(&error.to_string());
        }
        let state = docker.inspect_container(id, None::<InspectContainerOptions>).await;
        let is_running = match state {
            Ok(state) => state
                .state
                .and_then(|state| state.status)
                .is_some_and(|status| status == ContainerStateStatusEnum::RUNNING),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => false,
            Err(_) => true,
        };
        if !is_running {
            info!(container = source.name, "a container has ended");
            return Ok(());
        }
        sleep_until(Instant::now() + PAUSE).await;
    }
}

/// Text of one of the two streams that has no newline yet.
#[derive(Default)]
struct Partial {
    text: Vec<u8>,
    timestamp: i64,
}

async fn follow(
    source: &mut Source,
    docker: &Docker,
    id: &str,
    labels: &[(String, String)],
    last: &mut i64,
) -> Result<Result<(), bollard::errors::Error>, Stopped> {
    let seconds = i32::try_from(*last / 1_000_000_000).unwrap_or(0);
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).timestamps(true).since(seconds);
    let mut output = Box::pin(docker.logs(id, Some(options.build())));
    let mut partial: [Partial; 2] = Default::default();
    let from = *last;
    let mut batch = Batch::default();
    let mut ticks = interval(GATHER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut ended = None;
        tokio::select! {
            piece = output.next() => match piece {
                Some(Ok(piece)) => {
                    let (stream, bytes) = match &piece {
                        LogOutput::StdErr { message } => (1, message),
                        LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message } => (0, message),
                    };
                    let names = ["stdout", "stderr"];
                    let base = source.base(with_stream(labels, names[stream]));
                    take(&mut partial[stream], bytes, &mut |timestamp, line| {
                        // Docker gives what is newer than a second; what was taken of that second is known by its time.
                        if timestamp <= from {
                            return;
                        }
                        *last = (*last).max(timestamp);
                        if let Some(base) = &base {
                            source.context.metrics.docker_entries.inc();
                            source.put(&mut batch, Entry::new(base, timestamp, line, 0));
                        }
                    });
                    if batch.bytes < MOST_GATHERED {
                        continue;
                    }
                }
                Some(Err(error)) => ended = Some(Err(error)),
                None => ended = Some(Ok(())),
            },
            _ = ticks.tick() => {}
        }
        source.tick(&mut batch, ended.is_some());
        let mut gathered = std::mem::take(&mut batch);
        if !gathered.is_empty() && source.is_clear() {
            let cursor = Time::from_nanos(*last).format("2006-01-02T15:04:05.999999999Z07:00");
            gathered.changes.push((key(id), Some(Mark::Cursor { cursor })));
        }
        source.submit(gathered).await?;
        if let Some(outcome) = ended {
            return Ok(outcome);
        }
    }
}

/// Cuts lines out of what one stream gave. Each piece that Docker wrote begins with its time; long lines come in several.
fn take(partial: &mut Partial, bytes: &[u8], line: &mut dyn FnMut(i64, &[u8])) {
    for piece in bytes.split_inclusive(|b| *b == b'\n') {
        let (timestamp, text) = match memchr::memchr(b' ', piece.get(..40.min(piece.len())).unwrap_or_default()) {
            Some(at) => {
                let time = std::str::from_utf8(&piece[..at]).ok().and_then(Time::parse_rfc3339);
                (time.map(Time::unix_nanos), if time.is_some() { &piece[at + 1..] } else { piece })
            }
            None => (None, piece),
        };
        if partial.text.is_empty() {
            partial.timestamp = timestamp.unwrap_or(partial.timestamp);
        }
        partial.text.extend_from_slice(text);
        let is_whole = partial.text.ends_with(b"\n");
        if is_whole || partial.text.len() >= MOST_LINE {
            let text = partial.text.strip_suffix(b"\n").unwrap_or(&partial.text);
            line(partial.timestamp, text.strip_suffix(b"\r").unwrap_or(text));
            partial.text.clear();
        }
    }
}
