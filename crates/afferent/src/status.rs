//! `afferent status`.

use std::io::Write;

use serde_json::{Value, json};

use crate::check::counted;
use crate::cli::{Output, StatusArgs};
use crate::client::Client;

/// Prints how the server is doing; false where it is not ready.
pub(crate) async fn run(args: &StatusArgs) -> anyhow::Result<bool> {
    let client = Client::new(&args.server)?;
    let (code, _) = client.text("/-/ready").await?;
    let ready = code == 200;
    let mut report = json!({"ready": ready});
    if ready {
        for (name, path) in [
            ("build", "/api/v1/status/buildinfo"),
            ("runtime", "/api/v1/status/runtimeinfo"),
            ("store", "/api/v1/status/tsdb?limit=1"),
            ("targets", "/api/v1/targets?state=active"),
        ] {
            report[name] = client.api(path, &[]).await?["data"].take();
        }
    }
    let mut out = std::io::stdout().lock();
    match args.server.output {
        Output::Json => writeln!(out, "{report}")?,
        Output::Table => write!(out, "{}", describe(&report))?,
    }
    Ok(ready)
}

fn describe(report: &Value) -> String {
    if report["ready"] != true {
        return "not ready\n".to_owned();
    }
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let targets = report["targets"]["activeTargets"].as_array().map_or(&[][..], Vec::as_slice);
    let down: Vec<&Value> = targets.iter().filter(|t| t["health"] == "down").collect();
    let runtime = &report["runtime"];
    let mut out = format!(
        "ready, version {}, running since {}\ndata in {}, kept for {}\n{} active series\n{}, {} down\n",
        text(&report["build"]["applicationVersion"]),
        text(&runtime["startTime"]),
        text(&runtime["dataDirectory"]),
        text(&runtime["storageRetention"]),
        report["store"]["headStats"]["numSeries"],
        counted(targets.len(), "target"),
        down.len(),
    );
    if runtime["reloadConfigSuccess"] != true {
        out.push_str("the last reload of the configuration failed; the one before is in force\n");
    }
    for target in down {
        out.push_str(&format!("  {}: {}\n", text(&target["scrapeUrl"]), text(&target["lastError"])));
    }
    out
}
