//! What there is to describe: each endpoint with its parameters. A test holds the list against the router.

/// What a parameter looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    /// May be given several times.
    Texts,
    Number,
    Flag,
    /// RFC 3339, or seconds since the epoch.
    Time,
    /// As `5m`, or in seconds.
    Duration,
    OneOf(&'static [&'static str]),
}

pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) text: &'static str,
}

pub(super) struct Endpoint {
    /// Below the server's path.
    pub(super) path: &'static str,
    /// Separated by spaces.
    pub(super) methods: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: &'static [Parameter],
    /// The content type of a good answer.
    pub(super) answer: &'static str,
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

const fn may(name: &'static str, kind: Kind, text: &'static str) -> Parameter {
    Parameter { name, kind, required: false, text }
}

const fn must(name: &'static str, kind: Kind, text: &'static str) -> Parameter {
    Parameter { name, kind, required: true, text }
}

const fn json(
    methods: &'static str,
    path: &'static str,
    summary: &'static str,
    parameters: &'static [Parameter],
) -> Endpoint {
    Endpoint { path, methods, summary, parameters, answer: JSON }
}

const QUERY: Parameter = must("query", Kind::Text, "PromQL.");
const START: Parameter = must("start", Kind::Time, "First step.");
const END: Parameter = must("end", Kind::Time, "Last step.");
const STEP: Parameter = must("step", Kind::Duration, "Distance of steps.");
const FROM: Parameter = may("start", Kind::Time, "Begin of the time that counts.");
const TO: Parameter = may("end", Kind::Time, "End of the time that counts.");
const TIMEOUT: Parameter = may("timeout", Kind::Duration, "At most the server's own limit.");
const LOOKBACK: Parameter = may("lookback_delta", Kind::Duration, "How long a sample stays visible.");
const STATS: Parameter = may("stats", Kind::OneOf(&["true", "all"]), "What the query cost; all: step by step.");
const EXPLAIN: Parameter = may("explain", Kind::OneOf(&["1", "true"]), "What each part of the query did.");
const SEARCH: Parameter = may("query", Kind::Text, "The search. Default: all lines.");
const LANGUAGE: Parameter =
    may("language", Kind::OneOf(&["kql", "logql"]), "What the search is written in. Default: kql.");
const LIMIT: Parameter = may("limit", Kind::Number, "Most entries of the answer; 0 for all.");
const MATCH: Parameter = may("match[]", Kind::Texts, "Selectors; what satisfies one of them counts.");
const MUST_MATCH: Parameter = must("match[]", Kind::Texts, "Selectors; what satisfies one of them counts.");
const POOL: Parameter = may("scrapePool", Kind::Text, "A job of the scrape configuration.");
const TERMS: Parameter = may("search[]", Kind::Texts, "Terms; a name that fits one of them is found.");
const FUZZ_ALG: Parameter = may("fuzz_alg", Kind::OneOf(&["subsequence", "jarowinkler"]), "How terms are compared.");
const FUZZ_THRESHOLD: Parameter = may("fuzz_threshold", Kind::Number, "What a score must reach, in hundredths.");
const CASE: Parameter = may("case_sensitive", Kind::Flag, "Default: true.");
const SORT_BY: Parameter = may("sort_by", Kind::OneOf(&["alpha", "score"]), "The order of names.");
const SORT_DIR: Parameter = may("sort_dir", Kind::OneOf(&["asc", "dsc"]), "With sort_by=alpha.");
const SCORE: Parameter = may("include_score", Kind::Flag, "Say how well each name fits.");
const BATCH: Parameter = may("batch_size", Kind::Number, "Names in a line of the answer. Default: 100.");
const ID: Parameter = must("id", Kind::Text, "A query, as the list names it.");
const SEARCH_NAME: Parameter = must("name", Kind::Text, "What people call it, at most 200 characters.");
const FINGERPRINT: Parameter = must("fingerprint", Kind::Text, "Sixteen digits, as the list of alerts names it.");
const DEAD_LETTER: Parameter = must("id", Kind::Text, "A dead letter, as the list names it.");
const SILENCE: Parameter = must("id", Kind::Text, "A silence, as the list names it.");
const DAYS: Parameter = may("days", Kind::Number, "How far to look back, 1 to 90. Default: 7.");
const VERSION: Parameter = may("openapi_version", Kind::OneOf(&["3.1", "3.2"]), "Default: 3.1.");

/// Below `/api/v1`.
pub(super) const PROMETHEUS: &[Endpoint] = &[
    json(
        "GET POST",
        "/query",
        "Evaluate a query at one instant",
        &[QUERY, may("time", Kind::Time, "Default: now."), TIMEOUT, LOOKBACK, STATS, LIMIT, EXPLAIN],
    ),
    json(
        "GET POST",
        "/query_range",
        "Evaluate a query over a range of time; as columns of numbers where application/vnd.afferent.columns is accepted",
        &[
            QUERY,
            START,
            END,
            STEP,
            TIMEOUT,
            LOOKBACK,
            STATS,
            LIMIT,
            EXPLAIN,
            may("width", Kind::Number, "Columns of numbers: pixels of the picture."),
            may("since", Kind::Time, "Columns of numbers: steps up to this time are known."),
        ],
    ),
    json("GET POST", "/query_exemplars", "Exemplars of the series that a query selects", &[QUERY, FROM, TO]),
    json("GET POST", "/format_query", "Print a query nicely", &[QUERY]),
    json("GET POST", "/parse_query", "The syntax tree of a query", &[QUERY]),
    json("GET POST", "/labels", "Names of labels", &[FROM, TO, MATCH, LIMIT]),
    json(
        "GET",
        "/label/{name}/values",
        "Values of a label",
        &[must("name", Kind::Text, "The label."), FROM, TO, MATCH, LIMIT],
    ),
    json("GET POST", "/series", "Label sets of series", &[MUST_MATCH, FROM, TO, LIMIT]),
    Endpoint {
        path: "/search/metric_names",
        methods: "GET POST",
        summary: "Search for names of metrics",
        parameters: &[
            TERMS,
            FUZZ_ALG,
            FUZZ_THRESHOLD,
            CASE,
            SORT_BY,
            SORT_DIR,
            SCORE,
            may("include_metadata", Kind::Flag, "Type, help and unit, too."),
            FROM,
            TO,
            MATCH,
            LIMIT,
            BATCH,
        ],
        answer: NDJSON,
    },
    Endpoint {
        path: "/search/label_names",
        methods: "GET POST",
        summary: "Search for names of labels",
        parameters: &[TERMS, FUZZ_ALG, FUZZ_THRESHOLD, CASE, SORT_BY, SORT_DIR, SCORE, FROM, TO, MATCH, LIMIT, BATCH],
        answer: NDJSON,
    },
    Endpoint {
        path: "/search/label_values",
        methods: "GET POST",
        summary: "Search for values of a label",
        parameters: &[
            must("label", Kind::Text, "The label."),
            TERMS,
            FUZZ_ALG,
            FUZZ_THRESHOLD,
            CASE,
            SORT_BY,
            SORT_DIR,
            SCORE,
            FROM,
            TO,
            MATCH,
            LIMIT,
            BATCH,
        ],
        answer: NDJSON,
    },
    json("POST", "/write", "Take samples in, by remote write 1.0 or 2.0", &[]),
    json("POST", "/otlp/v1/metrics", "Take OpenTelemetry metrics in", &[]),
    Endpoint {
        path: "/read",
        methods: "POST",
        summary: "Give samples out, by remote read",
        parameters: &[],
        answer: "application/x-protobuf",
    },
    json("GET", "/metrics", "Groups pushed to the Pushgateway", &[]),
    json("GET", "/status", "State of the Pushgateway", &[]),
    json("GET", "/scrape_pools", "Names of the scraped jobs", &[]),
    json(
        "GET",
        "/scrape_pools/config",
        "The configuration of a job",
        &[must("scrapePool", Kind::Text, "A job of the scrape configuration.")],
    ),
    json(
        "GET",
        "/targets",
        "What is scraped, and how that goes",
        &[may("state", Kind::OneOf(&["active", "dropped", "any"]), "Default: any."), POOL],
    ),
    json(
        "GET",
        "/targets/metadata",
        "What targets say of their metrics",
        &[may("match_target", Kind::Text, "A selector for targets."), may("metric", Kind::Text, "A metric."), LIMIT],
    ),
    json(
        "GET",
        "/targets/relabel_steps",
        "What each relabelling rule makes of a target's labels",
        &[
            must("scrapePool", Kind::Text, "A job of the scrape configuration."),
            must("labels", Kind::Text, "Discovered labels, as a JSON object."),
        ],
    ),
    json(
        "GET",
        "/metadata",
        "Type, help and unit of metrics",
        &[
            may("metric", Kind::Text, "A metric."),
            LIMIT,
            may("limit_per_metric", Kind::Number, "Most entries for each metric."),
        ],
    ),
    json("GET", "/alertmanagers", "Alertmanagers that are notified", &[]),
    json(
        "GET",
        "/rules",
        "Rules and their state",
        &[
            may("type", Kind::OneOf(&["alert", "record"]), "Rules of one kind."),
            may("rule_name[]", Kind::Texts, "Rules of these names."),
            may("rule_group[]", Kind::Texts, "Groups of these names."),
            may("file[]", Kind::Texts, "Rules of these files."),
            MATCH,
            may("exclude_alerts", Kind::Flag, "Leave the active alerts out."),
            may("group_limit", Kind::Number, "Most groups of a page."),
            may("group_next_token", Kind::Text, "Where the page begins, as the one before said."),
        ],
    ),
    json("GET", "/alerts", "Active alerts", &[]),
    json("GET", "/status/config", "The configuration in force", &[]),
    json("GET", "/status/flags", "The command line", &[]),
    json("GET", "/status/runtimeinfo", "The process", &[]),
    json("GET", "/status/buildinfo", "The build", &[]),
    json("GET", "/status/tsdb", "What the head holds, by label", &[LIMIT]),
    json("GET", "/status/tsdb/blocks", "The blocks", &[]),
    json("GET", "/status/walreplay", "How far the replay of the log is", &[]),
    json(
        "GET",
        "/status/self_metrics",
        "The server's own metrics",
        &[may("metric_name_pattern", Kind::Text, "A regular expression for whole names.")],
    ),
    json("GET", "/features", "What this server can do", &[]),
    json("GET", "/notifications", "What an operator should know", &[]),
    Endpoint {
        path: "/notifications/live",
        methods: "GET",
        summary: "The same as a stream of events",
        parameters: &[],
        answer: "text/event-stream",
    },
    json("POST PUT", "/admin/tsdb/delete_series", "Delete samples", &[MUST_MATCH, FROM, TO]),
    json("POST PUT", "/admin/tsdb/clean_tombstones", "Free the space of what was deleted", &[]),
    json(
        "POST PUT",
        "/admin/tsdb/snapshot",
        "Copy the data",
        &[may("skip_head", Kind::Flag, "Leave out what is in memory alone.")],
    ),
    Endpoint {
        path: "/openapi.yaml",
        methods: "GET",
        summary: "This description",
        parameters: &[VERSION],
        answer: "application/yaml",
    },
];

/// Below `/api/afferent/v1`.
pub(super) const OURS: &[Endpoint] = &[
    json(
        "GET POST",
        "/explain",
        "Evaluate a query, as a range query where it has a start, and say what each part of it did",
        &[
            QUERY,
            may("time", Kind::Time, "Default: now."),
            may("start", Kind::Time, "First step."),
            may("end", Kind::Time, "Last step."),
            may("step", Kind::Duration, "Distance of steps."),
            TIMEOUT,
            LOOKBACK,
        ],
    ),
    json("GET", "/queries", "Queries that are at work", &[]),
    json("GET", "/queries/{id}", "One of them", &[ID]),
    json("DELETE", "/queries/{id}", "End it", &[ID]),
    json("POST", "/queries/{id}/kill", "End it", &[ID]),
    json(
        "GET",
        "/alerting/explain",
        "Why an alert is or is not told; one of the two names it",
        &[
            may("fingerprint", Kind::Text, "Sixteen digits, as the list of alerts names it."),
            may("labels", Kind::Text, "Labels, as {host=\"x\"} or a JSON object; the alert need not be there."),
        ],
    ),
    json("POST", "/alerting/alerts/{fingerprint}/ack", "Note that someone has seen an alert", &[FINGERPRINT]),
    json("DELETE", "/alerting/alerts/{fingerprint}/ack", "Take that back", &[FINGERPRINT]),
    json(
        "GET",
        "/alerting/silences",
        "Silences, those in force first",
        &[
            may("filter", Kind::Texts, "Matchers; what silences ask for counts as labels."),
            may("state", Kind::OneOf(&["active", "pending", "expired"]), "Those of one state."),
        ],
    ),
    json("POST", "/alerting/silences", "Make a silence, or edit one", &[]),
    json("DELETE", "/alerting/silences/{id}", "End one with its recurrence", &[SILENCE]),
    json("POST", "/alerting/silences/preview", "What a silence would keep quiet now and would have", &[]),
    json("GET", "/alerting/silences/limits", "What is asked of silences", &[]),
    json(
        "GET",
        "/alerting/history",
        "What happened to alerts, notifications and silences, the newest first",
        &[
            FROM,
            TO,
            may("kind", Kind::Texts, "Events of these kinds, such as firing, sent, dead, silence_created."),
            may("filter", Kind::Texts, "Matchers on the labels of alerts."),
            may("receiver", Kind::Text, "Events of this receiver."),
            may("integration", Kind::Text, "Events of this integration of a receiver."),
            may("alert", Kind::Text, "The fingerprint of an alert."),
            may("alertname", Kind::Text, "Alerts of this name."),
            may("group", Kind::Text, "The key of a group."),
            may("silence", Kind::Text, "The id of a silence."),
            may("by", Kind::Text, "What this person did."),
            may("limit", Kind::Number, "Most events; 1000 where it is not given."),
            may("cursor", Kind::Text, "The next page, as the answer before named it."),
        ],
    ),
    json("GET", "/alerting/noise", "Which alerts fire most and help least", &[DAYS]),
    json("POST", "/alerting/whatif", "What another configuration would have told", &[]),
    json("GET", "/alerting/outbox", "Notifications that wait, and those that receivers refused", &[]),
    json("POST", "/alerting/outbox/{id}/resend", "Send one again that was refused", &[DEAD_LETTER]),
    json("DELETE", "/alerting/outbox/{id}", "Forget one that was refused", &[DEAD_LETTER]),
    json("GET", "/alerting/routes", "The tree of routes", &[]),
    json("POST", "/alerting/routes/test", "Who would be told of a label set", &[]),
    json("GET", "/status/store", "What the store holds and does", &[]),
    json("GET", "/status/logs", "What the store of logs holds and does", &[]),
    json(
        "GET POST",
        "/logs/query",
        "Lines of a search, or a file of all of them",
        &[
            SEARCH,
            LANGUAGE,
            may("start", Kind::Time, "Default: an hour before the end."),
            may("end", Kind::Time, "Default: now."),
            may("limit", Kind::Number, "Most lines; of a file all where nothing is said."),
            may("direction", Kind::OneOf(&["backward", "forward"]), "Default: backward, the newest first."),
            may("format", Kind::OneOf(&["json", "ndjson", "csv"]), "Default: as the Accept header says, or json."),
            may("columns", Kind::Text, "Columns of csv beside the time, with commas between."),
        ],
    ),
    json(
        "GET POST",
        "/logs/histogram",
        "How many lines a search finds, and when",
        &[
            SEARCH,
            LANGUAGE,
            may("start", Kind::Time, "Default: an hour before the end."),
            may("end", Kind::Time, "Default: now."),
            may("step", Kind::Duration, "Width of a bar."),
            may("bars", Kind::Number, "About so many bars, where no step is given. Default: 60."),
            may("by", Kind::Text, "The label that bars are broken down by. Default: detected_level."),
        ],
    ),
    json(
        "GET POST",
        "/logs/fields",
        "Fields of the lines of a search, with their commonest values",
        &[
            SEARCH,
            LANGUAGE,
            may("start", Kind::Time, "Default: an hour before the end."),
            may("end", Kind::Time, "Default: now."),
            may("field", Kind::Text, "The values of this field alone, counted over all lines."),
            may("sample", Kind::Number, "Newest lines that are looked at. Default: 1000."),
            may("values", Kind::Number, "Values of each field. Default: 5."),
        ],
    ),
    json(
        "GET POST",
        "/logs/around",
        "The lines of a stream around one",
        &[
            must("stream", Kind::Text, "The labels of the stream, as a selector."),
            must("timestamp", Kind::Text, "Nanoseconds since the Unix epoch."),
            may("before", Kind::Number, "Lines before it. Default: 10."),
            may("after", Kind::Number, "Lines after it. Default: 10."),
        ],
    ),
    json("GET", "/logs/searches", "Searches that people keep", &[]),
    json("PUT", "/logs/searches/{name}", "Keep one: {\"search\": {...}}", &[SEARCH_NAME]),
    json("DELETE", "/logs/searches/{name}", "Forget one", &[SEARCH_NAME]),
    json("GET", "/status/shipper", "Files, containers and receivers that log lines are read from", &[]),
    json(
        "GET",
        "/status/cardinality",
        "Where series come from",
        &[
            MATCH,
            may("label", Kind::Text, "List the values of this label."),
            may("search", Kind::Text, "List what contains this."),
            LIMIT,
        ],
    ),
    Endpoint {
        path: "/openapi.yaml",
        methods: "GET",
        summary: "This description",
        parameters: &[VERSION],
        answer: "application/yaml",
    },
];
