//! Loki's configuration file: defaults, notices, and errors with their places.

use std::path::Path;

use config::{Environment, LokiConfig, LokiDeletion, LokiOtlpAction, Millis, load_loki, load_loki_text};
use model::Tenant;

fn load(text: &str) -> (LokiConfig, Vec<String>) {
    let loaded =
        load_loki_text(text, Path::new("loki.yaml"), &Environment::default()).unwrap_or_else(|e| panic!("{e}"));
    (loaded.config, loaded.warnings.iter().map(|w| w.to_string()).collect())
}

#[test]
fn an_empty_file_is_the_default() {
    for text in ["", "# nothing\n", "limits_config:\n"] {
        assert_eq!(load(text), (LokiConfig::default(), Vec::new()));
    }
    let config = LokiConfig::default();
    assert_eq!((config.limits.max_streams(), config.out_of_order_window()), (5000, Millis::from_secs(3600)));
    assert!(config.limits.otlp_config.resource_attributes[0].is_about("service.name"));
}

#[test]
fn a_file_of_a_cluster_is_taken_over() {
    let text = r#"
auth_enabled: false
server: {http_listen_port: 3100}
common:
  ring: {kvstore: {store: inmemory}}
schema_config: {configs: [{from: 2020-10-24, store: tsdb}]}
ingester: {max_chunk_age: 1h, chunk_idle_period: 30m}
compactor: {working_directory: /loki, retention_enabled: true}
limits_config:
  ingestion_rate_mb: 0.5
  max_line_size: 1kb
  per_stream_rate_limit: 5242880
  split_queries_by_interval: 24h
  retention_period: 744h
  deletion_mode: filter-only
  discover_service_name: []
  retention_stream:
    - {selector: '{env="dev"}', priority: 2, period: 24h}
  otlp_config:
    resource_attributes:
      ignore_defaults: true
      attributes_config: [{action: index_label, regex: 'service\..*'}]
    log_attributes: [{action: drop, attributes: [secret]}]
"#;
    let (config, warnings) = load(text);
    assert_eq!(config.auth_enabled, Some(false));
    assert_eq!(config.out_of_order_window(), Millis::from_secs(1800));
    let limits = &config.limits;
    assert_eq!((limits.max_line_size.bytes(), limits.per_stream_rate_limit.bytes()), (1024, 5 << 20));
    assert_eq!((limits.ingestion_rate_mb, limits.deletion_mode), (0.5, LokiDeletion::FilterOnly));
    assert_eq!(limits.retention_stream[0].matchers().len(), 1);
    assert!(limits.discover_service_name.is_empty());
    let [rule] = &limits.otlp_config.resource_attributes[..] else { panic!() };
    assert!(rule.is_about("service.name") && !rule.is_about("my.service.name"));
    assert_eq!(limits.otlp_config.log_attributes[0].action, LokiOtlpAction::Drop);
    let places: Vec<&str> = warnings.iter().map(|w| w.split(" accepted").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "loki.yaml:3:1: server:",
            "loki.yaml:4:1: common:",
            "loki.yaml:6:1: schema_config:",
            "loki.yaml:13:3: limits_config.split_queries_by_interval:",
            "loki.yaml:8:13: compactor.working_directory:",
            "loki.yaml:7:31: ingester.chunk_idle_period:",
        ]
    );
    // What is printed is itself a configuration, and the same one; two of its keys get a notice wherever they stand.
    let (again, notices) = load(&config.to_yaml());
    assert_eq!(again, config);
    assert!(notices.iter().all(|notice| notice.contains(": compactor.")), "{notices:?}");
}

#[test]
fn errors_say_where_and_what_is_allowed() {
    let text = "limit_config: {}\nlimits_config:\n  max_line_sise: 1\n  max_line_size: much\n  reject_old_samples: maybe\n  \
                deletion_mode: later\n  retention_stream: [{selector: '{', period: 0s}]\n  otlp_config: {log_attributes: [{}]}\n\
                ingester: {max_chunk_age: 0s}\n";
    let errors = load_loki_text(text, Path::new("l.yaml"), &Environment::default()).unwrap_err().to_string();
    let expected = [
        "l.yaml:1:1: limit_config: unknown key `limit_config`; did you mean `limits_config`?",
        "l.yaml:3:3: limits_config.max_line_sise: unknown key `max_line_sise`; did you mean `max_line_size`?",
        "l.yaml:4:18: limits_config.max_line_size: \"much\" is not valid here; expected a number of bytes",
        "l.yaml:5:23: limits_config.reject_old_samples: \"maybe\" is not valid here; expected true or false",
        "l.yaml:6:18: limits_config.deletion_mode: \"later\" is not valid here; expected one of disabled, ",
        "l.yaml:7:33: limits_config.retention_stream[0].selector: \"{\" is not a selector: ",
        "l.yaml:7:46: limits_config.retention_stream[0].period: must be more than 0",
        "l.yaml:8:34: limits_config.otlp_config.log_attributes[0]: ",
        "l.yaml:8:34: limits_config.otlp_config.log_attributes[0]: ",
        "l.yaml:9:27: ingester.max_chunk_age: must be more than 0",
    ];
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{errors}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
}

#[test]
fn tenants_have_limits_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("loki.yaml");
    std::fs::write(directory.path().join("over.yaml"), "overrides: {a: {max_line_size: 1KB}, b: {}}\n").unwrap();
    std::fs::write(&file, "runtime_config: {file: over.yaml}\nlimits_config: {ingestion_rate_mb: 9}\n").unwrap();
    let loaded = load_loki(&file, &Environment::default()).unwrap();
    assert_eq!(loaded.files.len(), 2);
    let of = |name: &str| loaded.config.limits_of(&Tenant::new(name).unwrap()).clone();
    assert_eq!((of("a").max_line_size.bytes(), of("a").ingestion_rate_mb), (1024, 9.0));
    assert_eq!(of("c").max_line_size.bytes(), 256 << 10);
    std::fs::write(directory.path().join("over.yaml"), "overrides: {a: {max_line_sice: 1KB}}\n").unwrap();
    let errors = load_loki(&file, &Environment::default()).unwrap_err().to_string();
    assert!(errors.contains("over.yaml:1:17: overrides.a.max_line_sice:"), "{errors}");
    std::fs::remove_file(directory.path().join("over.yaml")).unwrap();
    assert_eq!(load_loki(&file, &Environment::default()).unwrap().warnings.len(), 1);
}
