//! Inheritance, `.env`, paths and files that name files.

use std::path::Path;

use config::{Environment, Millis, NameEscaping, RelabelAction, ScrapeProtocol, Secret};

fn load(text: &str) -> config::PrometheusConfig {
    config::load_text(text, Path::new("prometheus.yml"), &Environment::default())
        .unwrap_or_else(|e| panic!("{e}"))
        .config
}

fn errors(text: &str) -> String {
    config::load_text(text, Path::new("p.yml"), &Environment::default()).unwrap_err().to_string()
}

#[test]
fn an_empty_file_is_the_default() {
    for text in ["", "# nothing\n", "global:\n", "---\n"] {
        assert_eq!(load(text), config::PrometheusConfig::default(), "{text:?}");
    }
    let job = &load("scrape_configs: [{job_name: a}]").scrape_configs[0];
    assert_eq!(*job, config::ScrapeConfig { job_name: "a".into(), ..Default::default() });
}

#[test]
fn jobs_inherit_from_global() {
    let config = load(
        "global: {scrape_interval: 5s, sample_limit: 10, body_size_limit: 1MB, label_limit: 7}\n\
         scrape_configs:\n- {job_name: a}\n- {job_name: b, scrape_interval: 1m, sample_limit: 20, scrape_timeout: 59s}\n",
    );
    assert_eq!(config.global.scrape_timeout, Millis(5000));
    let [a, b] = &config.scrape_configs[..] else { panic!() };
    assert_eq!((a.scrape_interval, a.scrape_timeout, a.sample_limit), (Millis(5000), Millis(5000), 10));
    assert_eq!((b.scrape_interval, b.scrape_timeout, b.sample_limit), (Millis(60_000), Millis(59_000), 20));
    assert_eq!((a.body_size_limit.bytes(), b.label_limit), (1 << 20, 7));
}

#[test]
fn protocols_follow_native_histograms_unless_given() {
    let config = load(
        "scrape_configs:\n- {job_name: a}\n- {job_name: b, scrape_native_histograms: true}\n\
         - {job_name: c, scrape_native_histograms: true, scrape_protocols: [PrometheusText0.0.4]}\n",
    );
    let protocols: Vec<_> = config.scrape_configs.iter().map(|job| job.scrape_protocols[0]).collect();
    use ScrapeProtocol as P;
    assert_eq!(protocols, [P::OpenMetricsText1_0_0, P::PrometheusProto, P::PrometheusText0_0_4]);
}

#[test]
fn escaping_follows_validation() {
    let config = load(
        "global: {metric_name_validation_scheme: legacy}\nscrape_configs:\n- {job_name: a}\n\
         - {job_name: b, metric_name_validation_scheme: utf8}\n- {job_name: c, metric_name_escaping_scheme: dots}\n",
    );
    let escaping: Vec<_> = config.scrape_configs.iter().map(|job| job.metric_name_escaping_scheme).collect();
    assert_eq!(escaping, [NameEscaping::Underscores, NameEscaping::AllowUtf8, NameEscaping::Dots]);
}

#[test]
fn the_deprecated_bearer_token_becomes_an_authorization() {
    let job = &load("scrape_configs: [{job_name: a, bearer_token: abc}]").scrape_configs[0];
    let authorization = job.http.authorization.as_ref().unwrap();
    assert_eq!((authorization.kind.as_str(), &authorization.credentials), ("Bearer", &Secret::new("abc")));
}

#[test]
fn relabelling_keeps_its_groups() {
    let env = Environment::from_pairs([("ZONE", "eu"), ("name", "not this one")]);
    let text = "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - {source_labels: [x], regex: '(?P<name>.*)-(.*)', \
                target_label: '${1}_x', replacement: '${name}/$2/${2}/$$/${ZONE}'}\n  - {regex: '^a$$', action: LabelDrop}\n";
    let config = config::load_text(text, Path::new("p.yml"), &env).unwrap().config;
    let [replace, drop] = &config.scrape_configs[0].relabel_configs[..] else { panic!() };
    assert_eq!((replace.replacement.as_str(), replace.target_label.as_str()), ("${name}/$2/${2}/$$/eu", "${1}_x"));
    assert_eq!((drop.regex.source(), drop.action), ("^a$$", RelabelAction::LabelDrop));
}

#[test]
fn env_files_fill_in_what_the_process_does_not_set() {
    let directory = tempfile::tempdir().unwrap();
    let working = directory.path().join("cwd");
    let beside = directory.path().join("conf");
    std::fs::create_dir_all(&working).unwrap();
    std::fs::create_dir_all(&beside).unwrap();
    std::fs::write(beside.join(".env"), "A=beside\nB=beside\n").unwrap();
    std::fs::write(working.join(".env"), "B=working\nC=working\nD=working\n").unwrap();
    let file = beside.join("prometheus.yml");
    std::fs::write(&file, "scrape_configs: [{job_name: '${A}-${B}-${C}-${D}'}]\n").unwrap();
    let env = Environment::from_pairs([("D", "process")]).in_directory(&working);
    let loaded = config::load(&file, &env).unwrap();
    assert_eq!(loaded.config.scrape_configs[0].job_name, "beside-beside-working-process");
    assert_eq!(loaded.files, [file.clone(), beside.join(".env"), working.join(".env")]);

    std::fs::write(beside.join(".env"), "A=1\nB 2\n").unwrap();
    let shown = config::load(&file, &env).unwrap_err().to_string();
    assert_eq!(shown, format!("{}:2: expected NAME=value", beside.join(".env").display()));
}

#[test]
fn paths_start_at_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::create_dir_all(root.join("jobs")).unwrap();
    std::fs::write(
        root.join("main.yml"),
        "scrape_config_files: ['jobs/*.yml']\nrule_files: [rules/*.yml, /etc/r.yml]\nscrape_configs:\n- job_name: main\n  \
         file_sd_configs: [{files: [sd/*.json]}]\n  tls_config: {ca_file: ca.pem}\n  basic_auth: {username: u, password_file: pw}\n",
    )
    .unwrap();
    std::fs::write(root.join("jobs/b.yml"), "scrape_configs: [{job_name: b, bearer_token_file: token}]\n").unwrap();
    std::fs::write(root.join("jobs/a.yml"), "scrape_configs: [{job_name: a}]\n").unwrap();
    let loaded = config::load(&root.join("main.yml"), &Environment::default()).unwrap();
    let config = &loaded.config;
    assert_eq!(config.rule_files, [root.join("rules/*.yml"), "/etc/r.yml".into()]);
    let main = &config.scrape_configs[0];
    assert_eq!(main.discovery.file_sd_configs[0].files, [root.join("sd/*.json")]);
    assert_eq!(main.http.tls_config.ca_file, Some(root.join("ca.pem")));
    assert_eq!(main.http.basic_auth.as_ref().unwrap().password_file, Some(root.join("pw")));
    let names: Vec<_> = config.all_scrape_configs().map(|job| job.job_name.as_str()).collect();
    assert_eq!(names, ["main", "a", "b"]);
    let token = &config.included_scrape_configs[1].http.authorization.as_ref().unwrap().credentials_file;
    assert_eq!(*token, Some(root.join("jobs/token")));
    assert_eq!(loaded.files, ["main.yml", "jobs/a.yml", "jobs/b.yml"].map(|file| root.join(file)));

    std::fs::write(root.join("jobs/c.yml"), "scrape_configs: [{job_name: a}]\n").unwrap();
    let shown = config::load(&root.join("main.yml"), &Environment::default()).unwrap_err().to_string();
    assert!(shown.contains("jobs/c.yml:1:29: scrape_configs[0].job_name: found multiple"), "{shown}");
}

#[test]
fn unreadable_files_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none.yml");
    let shown = config::load(&missing, &Environment::default()).unwrap_err().to_string();
    assert!(shown.starts_with(&format!("{}: cannot be read: ", missing.display())), "{shown}");
    std::fs::write(&missing, b"global:\n  x: \xff\n").unwrap();
    let shown = config::load(&missing, &Environment::default()).unwrap_err().to_string();
    assert_eq!(shown, format!("{}:2: is not UTF-8 text", missing.display()));
}

#[test]
fn a_file_with_an_error_shows_all_of_them() {
    let shown = errors("global: {scrape_intervall: 5s}\nscrape_configs:\n- job_name: a\n  scrape_timeout: 2x\n- {}\n");
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines[0].contains("did you mean `scrape_interval`?"));
    assert!(lines[1].starts_with("p.yml:4:19: scrape_configs[0].scrape_timeout:"));
    assert!(lines[2].starts_with("p.yml:5:3: scrape_configs[1].job_name: must be set"));
}

/// The configuration that ships, and its commented examples once the `# ` in front of them is removed.
#[test]
fn the_shipped_file_and_its_examples_are_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../observability/prometheus-config.yaml");
    let env = Environment::from_pairs([("API_PASSWORD", "x")]);
    let shipped = config::load(&path, &env).unwrap_or_else(|e| panic!("{e}")).config;
    let jobs: Vec<_> =
        shipped.scrape_configs.iter().map(|job| (job.job_name.as_str(), job.metrics_path.as_str())).collect();
    assert_eq!(jobs, [("afferent", "/metrics"), ("host", "/exporters/host")]);
    assert_eq!(shipped.scrape_configs[1].discovery.static_configs[0].targets, ["127.0.0.1:3000"]);

    let text = std::fs::read_to_string(&path).unwrap();
    let (before, jobs) = text.split_once("scrape_configs:\n").unwrap();
    let uncomment = |line: &str| match line.strip_prefix("  # ") {
        Some(example) if example.starts_with("- ") || example.starts_with("  ") => format!("  {example}\n"),
        _ => format!("{}\n", line.strip_prefix("# ").filter(|l| l.contains("rule")).unwrap_or(line)),
    };
    let examples: String = jobs.replace("# Rules for", "## Rules for").lines().map(uncomment).collect();
    let text = format!("{before}scrape_configs:\n{examples}");
    let all = config::load_text(&text, &path, &env).unwrap_or_else(|e| panic!("{e}\n{text}")).config;
    assert!(all.scrape_configs.len() >= 12 && all.rule_files.len() == 1, "{}", config::to_yaml(&all));
}
