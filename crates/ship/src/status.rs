//! What the status page tells: sources, files, receivers, the buffer.

use parking_lot::Mutex;
use serde::Serialize;

/// One followed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileState {
    /// Job.
    pub job: String,
    /// Path.
    pub path: String,
    /// Bytes read.
    pub offset: u64,
    /// Bytes there are; unknown for compressed files.
    pub size: Option<u64>,
    /// `following`, `rotated`, or what is wrong.
    pub state: String,
}

/// Any other source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceState {
    /// Job.
    pub job: String,
    /// `docker`, `journal`, `syslog`, `push`, `stdin`.
    pub kind: &'static str,
    /// Which one: a container, an address.
    pub name: String,
    /// Lines received.
    pub lines: u64,
    /// `running`, or what is wrong.
    pub state: String,
}

/// One receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverState {
    /// Host and port.
    pub host: String,
    /// What went wrong last, while it is wrong.
    pub last_error: Option<String>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShipStatus {
    /// Files.
    pub files: Vec<FileState>,
    /// Other sources.
    pub sources: Vec<SourceState>,
    /// Receivers.
    pub receivers: Vec<ReceiverState>,
    /// Bytes of the buffer on disk.
    pub buffer_bytes: u64,
    /// Bytes at which sources wait.
    pub buffer_limit: u64,
    /// What the configuration says without effect.
    pub notices: Vec<String>,
}

/// Where the parts leave word.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub(crate) files: Mutex<Vec<FileState>>,
    pub(crate) sources: Mutex<Vec<SourceState>>,
}

impl Status {
    /// Adds or changes what a source says.
    pub(crate) fn tell(&self, job: &str, kind: &'static str, name: &str, lines: u64, state: &str) {
        let mut sources = self.sources.lock();
        match sources.iter_mut().find(|source| source.job == job && source.kind == kind && source.name == name) {
            Some(source) => {
                source.lines = lines;
                if source.state != state {
                    source.state = state.to_owned();
                }
            }
            None => sources.push(SourceState {
                job: job.to_owned(),
                kind,
                name: name.to_owned(),
                lines,
                state: state.to_owned(),
            }),
        }
    }

    /// Takes a source off the list.
    pub(crate) fn forget(&self, job: &str, kind: &'static str, name: &str) {
        self.sources.lock().retain(|source| !(source.job == job && source.kind == kind && source.name == name));
    }
}
