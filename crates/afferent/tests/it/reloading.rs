//! A changed configuration, taken into use while the server runs, or refused with the reasons.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Server, http_get, raw_request, wait_for};

fn jobs(names: &[&str]) -> String {
    let job = |name: &&str| format!("- job_name: {name}\n  static_configs: [{{targets: ['127.0.0.1:1']}}]\n");
    format!("scrape_configs:\n{}", names.iter().map(job).collect::<String>())
}

fn pools(server: &Server) -> Vec<String> {
    let (_, answer) = http_get(&server.url, "/api/v1/scrape_pools");
    let pools = answer["data"]["scrapePools"].as_array().expect("a list");
    pools.iter().map(|p| p.as_str().unwrap().to_owned()).collect()
}

fn metric(server: &Server, name: &str) -> Option<String> {
    let (_, text) = http_get(&server.url, "/metrics");
    let text = text.as_str().unwrap().to_owned();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
}

#[test]
fn good_files_are_taken_and_bad_ones_refused() {
    let mut server = Server::start(&jobs(&["one"]));
    assert_eq!(pools(&server), ["one"]);
    let file = server.directory().join("prometheus-config.yaml");

    std::fs::write(&file, jobs(&["one", "two"])).unwrap();
    assert_eq!(raw_request(&server.url, "POST", "/-/reload").unwrap().0, 200);
    assert_eq!(pools(&server), ["one", "two"]);
    assert_eq!(metric(&server, "prometheus_config_last_reload_successful").as_deref(), Some("1"));

    std::fs::write(&file, "scrape_configs:\n- job_name: three\n  scrape_intervall: 5s\n").unwrap();
    let (status, body) = raw_request(&server.url, "POST", "/-/reload").unwrap();
    let reasons = String::from_utf8(body).unwrap();
    assert_eq!(status, 500);
    assert!(
        reasons.starts_with("failed to reload config: ") && reasons.contains("prometheus-config.yaml:3:3:"),
        "{reasons}"
    );
    assert_eq!(pools(&server), ["one", "two"], "the old configuration stays");
    assert_eq!(metric(&server, "prometheus_config_last_reload_successful").as_deref(), Some("0"));
    let (_, runtime) = http_get(&server.url, "/api/v1/status/runtimeinfo");
    assert_eq!(runtime["data"]["reloadConfigSuccess"], false);

    std::fs::write(&file, jobs(&["four"])).unwrap();
    kill(Pid::from_raw(server.child().id() as i32), Signal::SIGHUP).unwrap();
    assert!(wait_for(Duration::from_secs(10), || pools(&server) == ["four"]), "SIGHUP reloads");
    let (_, config) = http_get(&server.url, "/api/v1/status/config");
    assert!(config["data"]["yaml"].as_str().unwrap().contains("job_name: four"));
}

#[test]
fn secrets_are_never_shown() {
    let config = "scrape_configs:\n- job_name: a\n  basic_auth: {username: u, password: hunter2}\n  \
                  static_configs: [{targets: ['127.0.0.1:1']}]\n";
    let server = Server::start(config);
    for path in ["/api/v1/status/config", "/api/v1/targets", "/api/v1/status/flags", "/metrics"] {
        let (status, body) = http_get(&server.url, path);
        assert_eq!(status, 200);
        assert!(!body.to_string().contains("hunter2"), "{path}");
    }
}

#[test]
fn what_waits_for_a_restart_is_told() {
    let server = Server::start(&jobs(&["one"]));
    let file = server.directory().join("prometheus-config.yaml");
    let reload = || {
        let (status, body) = raw_request(&server.url, "POST", "/-/reload").unwrap();
        assert_eq!(status, 200);
        String::from_utf8(body).unwrap()
    };
    std::fs::write(&file, format!("{}storage: {{tsdb: {{out_of_order_time_window: 2h}}}}\n", jobs(&["one"]))).unwrap();
    let notice = "reloaded; changes in storage take effect at the next start\n";
    assert_eq!((reload(), reload()), (notice.to_owned(), notice.to_owned()), "until it is in force");
    std::fs::write(&file, jobs(&["one"])).unwrap();
    assert_eq!(reload(), "");
}
