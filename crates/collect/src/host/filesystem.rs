//! Mounted file systems. Asking one that hangs (NFS without its server) blocks for ever, so each is asked on a thread of its own
//! under one deadline; one that has not answered yet is not asked again, so hanging mounts cost one thread each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::{Duration, Instant};

use nix::sys::statfs::statfs;
use parking_lot::Mutex;
use regex::Regex;

use super::files::read;
use super::{CollectError, Host};
use crate::exposition::Exposition;

static IGNORED_MOUNT_POINTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)")
        .expect("a valid pattern")
});

static IGNORED_TYPES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|\
         procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
    )
    .expect("a valid pattern")
});

/// One line of `mountinfo`.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    device: String,
    point: String,
    kind: String,
    major: String,
    minor: String,
    read_only: bool,
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Usage {
    size: f64,
    free: f64,
    available: f64,
    files: f64,
    files_free: f64,
}

type Answer = Result<Usage, String>;

/// Asks file systems for their usage, each on its own thread.
#[derive(Debug)]
pub(super) struct Prober {
    timeout: Duration,
    /// Mount points that were asked and have not answered.
    asked: Arc<Mutex<BTreeSet<PathBuf>>>,
}

const TIMEOUT: &str = "mountpoint timeout";

impl Prober {
    pub(super) fn new(timeout: Duration) -> Self {
        Prober { timeout, asked: Arc::default() }
    }

    /// The answers of all paths, under one deadline.
    fn ask(&self, paths: BTreeSet<PathBuf>, usage: fn(&Path) -> Answer) -> BTreeMap<PathBuf, Answer> {
        let deadline = Instant::now() + self.timeout;
        let (sender, receiver) = mpsc::channel();
        let mut waiting = 0;
        let mut answers: BTreeMap<PathBuf, Answer> = BTreeMap::new();
        for path in paths {
            answers.insert(path.clone(), Err(TIMEOUT.to_owned()));
            if !self.asked.lock().insert(path.clone()) {
                continue;
            }
            let (sender, asked, target) = (sender.clone(), Arc::clone(&self.asked), path.clone());
            let thread = std::thread::Builder::new().name("statfs".into()).stack_size(64 * 1024).spawn(move || {
                let answer = usage(&target);
                asked.lock().remove(&target);
                // The receiver is gone where the answer came too late.
                let _ = sender.send((target, answer));
            });
            match thread {
                Ok(_) => waiting += 1,
                Err(error) => {
                    self.asked.lock().remove(&path);
                    answers.insert(path, Err(error.to_string()));
                }
            }
        }
        while waiting > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((path, answer)) = receiver.recv_timeout(left) else { break };
            answers.insert(path, answer);
            waiting -= 1;
        }
        answers
    }
}

fn usage_of(path: &Path) -> Answer {
    let found = statfs(path).map_err(|error| error.desc().to_lowercase())?;
    let block = found.block_size() as f64;
    Ok(Usage {
        size: found.blocks() as f64 * block,
        free: found.blocks_free() as f64 * block,
        available: found.blocks_available() as f64 * block,
        files: found.files() as f64,
        files_free: found.files_free() as f64,
    })
}

/// node_exporter's `filesystem`.
pub(super) fn filesystem(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    // The mounts of process 1 are the machine's; `hidepid` may hide them.
    let text = read(&host.proc_path("1/mountinfo")).or_else(|_| read(&host.proc_path("self/mountinfo")))?;
    let mounts: Vec<Mount> = text
        .lines()
        .filter_map(|line| parse_mount(line, &host.options.rootfs))
        .filter(|mount| !IGNORED_MOUNT_POINTS.is_match(&mount.point) && !IGNORED_TYPES.is_match(&mount.kind))
        .collect();
    let path_of = |mount: &Mount| host.root_path(Path::new(&mount.point));
    let answers = host.mounts.ask(mounts.iter().map(path_of).collect(), usage_of);
    for mount in &mounts {
        let Some(answer) = answers.get(&path_of(mount)) else { continue };
        expose(out, mount, answer);
    }
    Ok(())
}

fn expose(out: &mut Exposition, mount: &Mount, answer: &Answer) {
    let error = answer.as_ref().err().map_or("", String::as_str);
    let labels = [
        ("device", mount.device.as_str()),
        ("device_error", error),
        ("fstype", &mount.kind),
        ("mountpoint", &mount.point),
    ];
    let help = "Whether an error occurred while getting statistics for the given device.";
    out.gauge("node_filesystem_device_error", help, &labels, f64::from(u8::from(answer.is_err())));
    let read_only = f64::from(u8::from(mount.read_only));
    out.gauge("node_filesystem_readonly", "Filesystem read-only status.", &labels, read_only);
    let Ok(usage) = answer else { return };
    for (metric, help, value) in [
        ("size_bytes", "Filesystem size in bytes.", usage.size),
        ("free_bytes", "Filesystem free space in bytes.", usage.free),
        ("avail_bytes", "Filesystem space available to non-root users in bytes.", usage.available),
        ("files", "Filesystem total file nodes.", usage.files),
        ("files_free", "Filesystem total free file nodes.", usage.files_free),
        ("purgeable_bytes", "Filesystem space available including purgeable space (MacOS specific).", 0.0),
    ] {
        out.gauge(&format!("node_filesystem_{metric}"), help, &labels, value);
    }
    let labels = [
        ("device", mount.device.as_str()),
        ("major", &mount.major),
        ("minor", &mount.minor),
        ("mountpoint", &mount.point),
    ];
    out.gauge("node_filesystem_mount_info", "Filesystem mount information.", &labels, 1.0);
}

/// Reads `36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue` (proc(5)).
fn parse_mount(line: &str, rootfs: &Path) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(2);
    let (major, minor) = mount.next()?.split_once(':')?;
    let point = PathBuf::from(unescape(mount.nth(1)?));
    let options = mount.next()?;
    let mut filesystem = filesystem.split(' ');
    let (kind, device, super_options) = (filesystem.next()?, filesystem.next()?, filesystem.next().unwrap_or_default());
    let has = |options: &str, wanted: &[&str]| options.split(',').any(|option| wanted.contains(&option));
    let point = match point.strip_prefix(rootfs) {
        Ok(inside) => Path::new("/").join(inside),
        Err(_) => point,
    };
    Some(Mount {
        device: unescape(device),
        point: point.to_string_lossy().into_owned(),
        kind: kind.to_owned(),
        major: major.to_owned(),
        minor: minor.to_owned(),
        read_only: has(options, &["ro"]) || has(super_options, &["ro", "emergency_ro"]),
    })
}

/// The kernel writes blanks, tabs, newlines and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    let mut out = text.to_owned();
    for (escaped, plain) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        out = out.replace(escaped, plain);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_mounts() {
        let root = Path::new("/");
        let line = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,emergency_ro";
        let mount = parse_mount(line, root).unwrap();
        assert_eq!((mount.point.as_str(), mount.device.as_str(), mount.kind.as_str()), ("/mnt 2", "/dev/root", "ext3"));
        assert_eq!((mount.major.as_str(), mount.minor.as_str(), mount.read_only), ("98", "0", true));
        assert!(!parse_mount("1 1 0:1 / / rw - tmpfs tmpfs rw", root).unwrap().read_only);
        let inside = parse_mount("1 1 0:1 / /host/var ro - xfs /dev/x rw", Path::new("/host")).unwrap();
        assert_eq!((inside.point.as_str(), inside.read_only), ("/var", true));
        assert_eq!(parse_mount("1 1 0:1 / /x rw", root), None);
    }

    #[test]
    fn a_hanging_mount_is_reported_and_asked_once() {
        fn hangs(path: &Path) -> Answer {
            if path == Path::new("/nfs") {
                std::thread::park_timeout(Duration::from_secs(60));
            }
            Err("answered".into())
        }
        let prober = Prober::new(Duration::from_millis(200));
        let paths: BTreeSet<PathBuf> = ["/nfs".into(), "/".into()].into();
        for round in 0..2 {
            let start = Instant::now();
            let answers = prober.ask(paths.clone(), hangs);
            assert_eq!(answers[Path::new("/")], Err("answered".into()));
            assert_eq!(answers[Path::new("/nfs")], Err(TIMEOUT.into()));
            assert!(start.elapsed() < Duration::from_secs(10), "round {round}");
            assert_eq!(prober.asked.lock().len(), 1);
        }
    }
}
