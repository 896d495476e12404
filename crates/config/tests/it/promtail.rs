//! Promtail configurations: one with everything, and one with everything wrong, whose messages stand beside it.

use std::path::{Path, PathBuf};

use config::promtail::{StageKind, SyslogTransport};
use config::{Environment, load_promtail};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/promtail").join(name)
}

#[test]
fn what_promtail_knows_is_read_or_noticed() {
    let env = Environment::from_pairs([("TOKEN", "hunter2")]);
    let loaded = load_promtail(&case("everything.yaml"), &env).unwrap();
    let config = &loaded.config;
    let client = &config.clients[0];
    assert_eq!((client.batchwait.ms(), client.batchsize, client.timeout.ms()), (1500, 1 << 20, 10_000));
    assert_eq!(client.tenant_id.as_deref(), Some("team-a"));
    assert_eq!(client.http.authorization.as_ref().unwrap().credentials.expose(), "hunter2");
    assert_eq!(config.limits.max_line_size.bytes(), 256 << 10);
    assert_eq!(config.limits.readline_rate.unwrap().burst, 200);
    assert_eq!(config.buffer.max_size.bytes(), 2 << 30);
    assert_eq!(config.scrape_configs.len(), 5);
    let stages = &config.scrape_configs[0].pipeline_stages;
    assert_eq!(stages.len(), 23);
    let StageKind::Match(matching) = &stages[2].kind else { panic!("{:?}", stages[2]) };
    let StageKind::Json(json) = &matching.stages[0].kind else { panic!("{matching:?}") };
    assert_eq!(json.expressions, [("a".into(), "a".into()), ("b".into(), "c.d".into())]);
    assert_eq!(matching.stages[0].place.key, "scrape_configs[0].pipeline_stages[2].match.stages[0].json");
    let syslog = config.scrape_configs[3].syslog.as_ref().unwrap();
    assert_eq!((syslog.listen.to_string().as_str(), syslog.transport), ("0.0.0.0:1514", SyslogTransport::Tcp));
    let keys: Vec<&str> = loaded.warnings.iter().map(|warning| warning.key.as_str()).collect();
    for noticed in ["server.grpc_listen_port", "tracing", "clients[0].backoff_config.max_retries", "wal.enabled"] {
        assert!(keys.contains(&noticed), "{noticed} is not in {keys:?}");
    }
    assert!(!format!("{config:?}").contains("hunter2") && !format!("{config:?}").contains("secret@"));
}

#[test]
fn every_error_says_where_it_is_and_what_is_allowed() {
    let path = case("wrong.yaml");
    let errors = load_promtail(&path, &Environment::default()).unwrap_err();
    let found = format!("{errors}\n").replace(&format!("{}/", path.parent().unwrap().display()), "");
    let sibling = path.with_extension("errors");
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&sibling, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&sibling).unwrap_or_default());
}

#[test]
fn mutated_files_never_panic() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    let good = std::fs::read(case("everything.yaml")).unwrap();
    let mut rng = StdRng::seed_from_u64(2);
    for _ in 0..400 {
        let mut bytes = good.clone();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random_range(32..127);
        }
        let text = String::from_utf8_lossy(&bytes);
        let _ = config::load_promtail_text(&text, Path::new("x.yaml"), &Environment::default());
    }
}
