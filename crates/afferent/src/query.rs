//! `afferent query promql`.

use std::io::Write;

use anyhow::anyhow;
use api::{parse_duration_ns, parse_time};
use chrono::{DateTime, SecondsFormat, Utc};
use model::{Labels, Timestamp};
use serde_json::Value;

use crate::cli::{Output, PromqlArgs};
use crate::client::Client;
use crate::table;

/// Steps of a range whose step was not given.
const DEFAULT_STEPS: i64 = 100;

pub(crate) async fn run(args: &PromqlArgs) -> anyhow::Result<()> {
    let client = Client::new(&args.server)?;
    let answer = ask(&client, args).await?;
    let mut out = std::io::stdout().lock();
    match args.server.output {
        Output::Json => writeln!(out, "{answer}")?,
        Output::Table => {
            for note in ["warnings", "infos"].iter().filter_map(|kind| answer[kind].as_array()).flatten() {
                writeln!(std::io::stderr(), "note: {}", note.as_str().unwrap_or_default())?;
            }
            write!(out, "{}", render(&answer["data"]))?;
        }
    }
    Ok(())
}

async fn ask(client: &Client, args: &PromqlArgs) -> anyhow::Result<Value> {
    let (Some(start), Some(end)) = (&args.start, &args.end) else {
        let time = args.time.as_deref().unwrap_or("");
        return client.api("/api/v1/query", &[("query", &args.expr), ("time", time)]).await;
    };
    let step = match &args.step {
        Some(step) => step.clone(),
        None => {
            let at = |text: &str| parse_time(text).map_err(|e| anyhow!(e));
            let ms = (at(end)?.ms().saturating_sub(at(start)?.ms()) / DEFAULT_STEPS).max(1000);
            Timestamp(ms).seconds().to_string()
        }
    };
    parse_duration_ns(&step).map_err(|e| anyhow!("--step: {e}"))?;
    let form = [("query", args.expr.as_str()), ("start", start), ("end", end), ("step", &step)];
    client.api("/api/v1/query_range", &form).await
}

/// The result as a table: one line for each sample.
fn render(data: &Value) -> String {
    let empty = Vec::new();
    let result = data["result"].as_array().unwrap_or(&empty);
    match data["resultType"].as_str() {
        Some("scalar" | "string") => {
            format!("{}\n", result.get(1).and_then(Value::as_str).unwrap_or_default())
        }
        _ if result.is_empty() => "no series match\n".to_owned(),
        Some("vector") => {
            let row = |series: &Value| {
                let point = if series["value"].is_null() { &series["histogram"] } else { &series["value"] };
                vec![series_name(&series["metric"]), value_text(&point[1])]
            };
            table::render(&["SERIES", "VALUE"], &result.iter().map(row).collect::<Vec<_>>())
        }
        _ => result.iter().map(render_series).collect::<Vec<_>>().join("\n"),
    }
}

fn render_series(series: &Value) -> String {
    let points = ["values", "histograms"].iter().filter_map(|kind| series[kind].as_array()).flatten();
    let rows: Vec<Vec<String>> = points.map(|point| vec![time_text(&point[0]), value_text(&point[1])]).collect();
    format!("{}\n{}", series_name(&series["metric"]), table::render(&["TIME", "VALUE"], &rows))
}

/// `up{job="node"}`
fn series_name(metric: &Value) -> String {
    let pairs =
        metric.as_object().into_iter().flatten().map(|(name, value)| (name, value.as_str().unwrap_or_default()));
    let labels = Labels::from_pairs(pairs);
    let name = labels.metric_name();
    let rest = labels.without_name();
    if rest.is_empty() && !name.is_empty() { name.to_owned() } else { format!("{name}{rest}") }
}

fn value_text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => {
            format!("count {} sum {}", value["count"].as_str().unwrap_or("?"), value["sum"].as_str().unwrap_or("?"))
        }
    }
}

fn time_text(seconds: &Value) -> String {
    let ms = (seconds.as_f64().unwrap_or_default() * 1000.0).round() as i64;
    let time = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_become_tables() {
        let vector = json!({"resultType":"vector","result":[
            {"metric":{"__name__":"up","job":"a"},"value":[1,"1"]},
            {"metric":{},"histogram":[1,{"count":"3","sum":"4"}]}]});
        assert_eq!(render(&vector), "SERIES       VALUE\nup{job=\"a\"}  1\n{}           count 3 sum 4\n");
        let matrix =
            json!({"resultType":"matrix","result":[{"metric":{"__name__":"up"},"values":[[0,"1"],[15.5,"2"]]}]});
        let expected =
            "up\nTIME                      VALUE\n1970-01-01T00:00:00Z      1\n1970-01-01T00:00:15.500Z  2\n";
        assert_eq!(render(&matrix), expected);
        assert_eq!(render(&json!({"resultType":"scalar","result":[1,"2.5"]})), "2.5\n");
        assert_eq!(render(&json!({"resultType":"vector","result":[]})), "no series match\n");
    }
}
