//! The stages of a Promtail pipeline, as written and with their defaults.

use super::Place;
use crate::scalar::{ByteSize, Millis};

/// One stage, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct StageConfig {
    /// Where it stands.
    pub place: Place,
    /// What it does.
    pub kind: StageKind,
}

/// What a stage does.
#[derive(Clone, Debug, PartialEq)]
pub enum StageKind {
    /// Reads Docker's JSON lines.
    Docker,
    /// Reads the lines of container runtimes.
    Cri(CriStage),
    /// Extracts from JSON.
    Json(JsonStage),
    /// Extracts from logfmt.
    Logfmt(LogfmtStage),
    /// Extracts by named groups.
    Regex(RegexStage),
    /// Replaces what groups match.
    Replace(ReplaceStage),
    /// Computes an extracted value.
    Template(TemplateStage),
    /// Sets the time.
    Timestamp(TimestampStage),
    /// Sets labels from extracted values: name and source.
    Labels(Vec<(String, String)>),
    /// Sets structured metadata from extracted values or labels: name and source.
    StructuredMetadata(Vec<(String, String)>),
    /// Keeps only these labels.
    LabelAllow(Vec<String>),
    /// Removes these labels.
    LabelDrop(Vec<String>),
    /// Sets labels.
    StaticLabels(Vec<(String, String)>),
    /// Makes an extracted value the line.
    Output(String),
    /// Runs stages on, or drops, what a selector takes.
    Match(MatchStage),
    /// Joins lines.
    Multiline(MultilineStage),
    /// Drops lines.
    Drop(DropStage),
    /// Limits the rate of lines.
    Limit(LimitStage),
    /// Keeps a share of the lines.
    Sampling(SamplingStage),
    /// Puts the line and labels into one JSON object.
    Pack(PackStage),
    /// Counts and measures.
    Metrics(Vec<MetricStage>),
    /// Sets the tenant.
    Tenant(TenantStage),
    /// Removes terminal colours.
    Decolorize,
    /// Extracts from the message of a Windows event.
    EventLogMessage(EventLogMessageStage),
}

/// `cri`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriStage {
    /// Streams with a partial line at a time. Default 100.
    pub max_partial_lines: u64,
    /// Most bytes of a joined line; 0 for no limit.
    pub max_partial_line_size: ByteSize,
    /// Whether longer ones are cut.
    pub max_partial_line_size_truncate: bool,
}

/// `json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonStage {
    /// Name of the extracted value, and a JMESPath expression.
    pub expressions: Vec<(String, String)>,
    /// The extracted value that is read instead of the line.
    pub source: Option<String>,
    /// Whether lines that are no JSON object are dropped.
    pub drop_malformed: bool,
}

/// `logfmt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogfmtStage {
    /// Name of the extracted value, and the key in the line.
    pub mapping: Vec<(String, String)>,
    /// The extracted value that is read instead of the line.
    pub source: Option<String>,
}

/// `regex`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexStage {
    /// RE2 syntax with named groups.
    pub expression: String,
    /// The extracted value that is read instead of the line.
    pub source: Option<String>,
}

/// `replace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaceStage {
    /// RE2 syntax; what its groups match is replaced.
    pub expression: String,
    /// The extracted value that is changed instead of the line.
    pub source: Option<String>,
    /// A Go template; `.Value` is what the group matched.
    pub replace: String,
}

/// `template`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateStage {
    /// The extracted value that is set; `.Value` in the template.
    pub source: String,
    /// A Go template over the extracted values and `.Entry`.
    pub template: String,
}

/// `timestamp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampStage {
    /// The extracted value that is read.
    pub source: String,
    /// A Go layout or one of Promtail's names.
    pub format: String,
    /// Tried in order where `format` does not fit.
    pub fallback_formats: Vec<String>,
    /// Zone of times without one.
    pub location: Option<String>,
    /// Whether a line without a readable time gets the stream's last one plus a nanosecond (`fudge`) or keeps its own (`skip`).
    pub fudge: bool,
}

/// `match`.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchStage {
    /// A LogQL selector with line filters.
    pub selector: String,
    /// Run on what is taken.
    pub stages: Vec<StageConfig>,
    /// Whether what is taken is dropped.
    pub drop: bool,
    /// Reason in the counter. Default `match_stage`.
    pub drop_counter_reason: String,
}

/// `multiline`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultilineStage {
    /// Matches the first line of a block.
    pub firstline: String,
    /// Most lines of a block. Default 128.
    pub max_lines: u64,
    /// Longest wait for the next line. Default 3 s.
    pub max_wait_time: Millis,
}

/// `drop`. A line is dropped where all that is given holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropStage {
    /// Extracted values.
    pub source: Vec<String>,
    /// Joins several sources. Default `;`.
    pub separator: String,
    /// RE2 syntax, for the sources or the line.
    pub expression: Option<String>,
    /// What the sources must be.
    pub value: Option<String>,
    /// Least age.
    pub older_than: Option<Millis>,
    /// Least size, exclusive.
    pub longer_than: Option<ByteSize>,
    /// Reason in the counter. Default `drop_stage`.
    pub drop_counter_reason: String,
}

/// `limit`.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitStage {
    /// Lines a second.
    pub rate: f64,
    /// Lines at once.
    pub burst: u64,
    /// Whether lines above it are dropped instead of waiting.
    pub drop: bool,
    /// Limits each value of this label for itself.
    pub by_label_name: Option<String>,
    /// Values remembered at a time.
    pub max_distinct_labels: u64,
}

/// `sampling`.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingStage {
    /// Share that is kept, 0 to 1.
    pub rate: f64,
    /// Reason in the counter. Default `sampling_stage`.
    pub drop_counter_reason: String,
}

/// `pack`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackStage {
    /// Labels and extracted values that move into the line.
    pub labels: Vec<String>,
    /// Whether the time becomes that of reading. Default true.
    pub ingest_timestamp: bool,
}

/// One metric of `metrics`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricStage {
    /// Name with its prefix (`promtail_custom_` where none is given).
    pub name: String,
    /// Help.
    pub description: String,
    /// The extracted value that counts.
    pub source: String,
    /// Time after which a series that is not touched goes. Default 5 m.
    pub max_idle: Millis,
    /// What kind, and what is done.
    pub action: MetricAction,
    /// Counts only where the source is this.
    pub value: Option<String>,
}

/// What a metric does with a line.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricAction {
    /// A counter.
    Counter {
        /// Adds the value instead of one.
        add: bool,
        /// Counts every line, whatever was extracted.
        match_all: bool,
        /// Adds the length of the line.
        count_entry_bytes: bool,
    },
    /// A gauge.
    Gauge(GaugeAction),
    /// A histogram with these upper bounds.
    Histogram(Vec<f64>),
}

/// What a gauge does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaugeAction {
    /// Takes the value.
    Set,
    /// Plus one.
    Inc,
    /// Minus one.
    Dec,
    /// Plus the value.
    Add,
    /// Minus the value.
    Sub,
}

/// `tenant`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantStage {
    /// From a label.
    Label(String),
    /// From an extracted value.
    Source(String),
    /// Always this.
    Value(String),
}

/// `eventlogmessage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLogMessageStage {
    /// The extracted value that is read. Default `message`.
    pub source: String,
    /// Whether keys that are no label names are left out instead of mended.
    pub drop_invalid_labels: bool,
    /// Whether values that are there are replaced, instead of getting the suffix `_extracted`.
    pub overwrite_existing: bool,
}
