//! The other commands: what they print, and their exit status.

use std::process::{Command, Output};
use std::time::Duration;

use crate::harness::{Server, free_port, http_get, wait_for};

fn afferent(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_afferent")).args(args).output().expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn check_config_names_the_place() {
    let directory = tempfile::tempdir().unwrap();
    let good = directory.path().join("good.yml");
    let bad = directory.path().join("bad.yml");
    std::fs::write(&good, "scrape_configs:\n- job_name: a\n").unwrap();
    std::fs::write(&bad, "scrape_configs:\n- job_nam: a\n").unwrap();
    let good = afferent(&["check", "config", good.to_str().unwrap()]);
    assert_eq!(
        (good.status.code(), stdout(&good).ends_with("good.yml: ok, 1 scrape job\n")),
        (Some(0), true),
        "{good:?}"
    );
    let bad = afferent(&["check", "config", bad.to_str().unwrap()]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(stdout(&bad).contains("bad.yml:2:3:") && stdout(&bad).contains("job_name"), "{}", stdout(&bad));
    let missing = afferent(&["check", "config", "/nonexistent/file.yml"]);
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn check_config_looks_for_the_files_that_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.yml");
    let check = |config: &str| {
        std::fs::write(&file, config).unwrap();
        let output = afferent(&["check", "config", file.to_str().unwrap()]);
        (output.status.code(), stdout(&output))
    };
    for (config, texts) in [
        ("rule_files: [gone.yml]\n", &["rule_files: ", "gone.yml: No such file"][..]),
        (
            "scrape_configs:\n- job_name: a\n  tls_config: {ca_file: ca.pem}\n  basic_auth: {username: u, password_file: pw}\n",
            &["scrape job \"a\": tls_config.ca_file: ", "basic_auth.password_file: ", "2 problems"],
        ),
        (
            "scrape_configs:\n- job_name: a\n  oauth2: {client_id: x, client_secret: y, token_url: 'http://t/'}\n",
            &["oauth2 is not supported yet", "1 problem"],
        ),
    ] {
        let (code, text) = check(config);
        assert_eq!(code, Some(1), "{text}");
        texts.iter().for_each(|part| assert!(text.contains(part), "{part}: {text}"));
    }
    let (code, text) =
        check("rule_files: ['rules/*.yml']\nscrape_configs:\n- job_name: a\n  file_sd_configs: [{files: [t.json]}]\n");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("warning: scrape job \"a\": file ") && text.contains("ok, 1 scrape job"), "{text}");
}

#[test]
fn promql_tests_say_what_failed_and_how_many() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let load = "load 1m\n  a 1 2 3\n\n";
    let good = write(
        "a.test",
        &format!("{load}eval instant at 1m a\n  a 2\n\neval range from 0 to 2m step 1m a\n  a 1 2 3\n"),
    );
    let bad = write("b.test", &format!("{load}eval instant at 1m a\n  a 5\n\neval instant at 2m a\n  a 3\n"));
    let output = afferent(&["test", "promql", &good]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "2 passed, 0 failed\n"));
    let output = afferent(&["test", "promql", &good, &bad]);
    assert_eq!(output.status.code(), Some(1));
    let (failures, last) = (stdout(&output), "3 passed, 1 failed\n");
    assert!(failures.ends_with(last), "{failures}");
    for part in [&format!("{bad}:4: a"), "expected:", "got:"] {
        assert!(failures.contains(part), "{part}: {failures}");
    }
    let whole = afferent(&["test", "promql", directory.path().to_str().unwrap(), "/nonexistent.test"]);
    assert_eq!(whole.status.code(), Some(1));
    assert!(stdout(&whole).ends_with("3 passed, 2 failed\n"), "{}", stdout(&whole));
    assert!(stdout(&whole).contains("/nonexistent.test: "), "{}", stdout(&whole));
}

#[test]
fn wrong_usage_is_exit_status_2() {
    for args in [
        &[][..],
        &["serve", "--nonsense"],
        &["query"],
        &["query", "promql"],
        &["check", "config"],
        &["test", "promql"],
        &["what"],
    ] {
        assert_eq!(afferent(args).status.code(), Some(2), "{args:?}");
    }
    for args in [&["--help"][..], &["serve", "--help"], &["version"]] {
        let output = afferent(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(stdout(&output).contains("fferent"), "{args:?}");
    }
}

#[test]
fn queries_and_status_are_printed() {
    let server = Server::start(
        "scrape_configs:\n- job_name: self\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  \
         static_configs: [{targets: ['${AFFERENT_ADDRESS}']}]\n",
    );
    let promql = |args: &[&str]| afferent(&[&["query", "promql", "--server", &server.url], args].concat());
    let up = || stdout(&promql(&["up"]));
    assert!(wait_for(Duration::from_secs(20), || up().contains("up{")), "{}", up());
    assert!(up().starts_with("SERIES") && up().contains("job=\"self\"}  1\n"), "{}", up());
    assert_eq!(stdout(&promql(&["1 + 1"])), "2\n");
    let json: serde_json::Value = serde_json::from_str(&stdout(&promql(&["vector(1)", "--output", "json"]))).unwrap();
    assert_eq!(json["data"]["resultType"], "vector");
    let range = promql(&["vector(3)", "--start", "0", "--end", "30", "--step", "15s"]);
    assert_eq!(
        stdout(&range),
        "{}\nTIME                  VALUE\n1970-01-01T00:00:00Z  3\n1970-01-01T00:00:15Z  3\n1970-01-01T00:00:30Z  3\n"
    );
    let wrong = promql(&["up{"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("1:4: parse error"), "{}", stderr(&wrong));

    let status = afferent(&["status", "--server", &server.url]);
    assert_eq!(status.status.code(), Some(0));
    assert!(stdout(&status).contains("1 target, 0 down"), "{}", stdout(&status));
    let nobody = afferent(&["status", "--server", &format!("http://127.0.0.1:{}", free_port())]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("cannot reach a server"), "{}", stderr(&nobody));
}

#[test]
fn features_of_the_language_are_turned_on_by_name() {
    let unknown = afferent(&["serve", "--enable-feature", "promql-experimental-functions,no-such"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("promql-delayed-name-removal, use-start-timestamps"), "{}", stderr(&unknown));
    let names = "promql-delayed-name-removal,use-start-timestamps,native-histograms";
    let server = Server::start_with("global: {}\n", &["--enable-feature", names]);
    let (_, features) = http_get(&server.url, "/api/v1/features");
    let of_promql = &features["data"]["promql"];
    let on =
        ["delayed_name_removal", "use_start_timestamps", "type_and_unit_labels"].map(|name| of_promql[name] == true);
    assert_eq!(on, [true, true, false], "{features}");
}
