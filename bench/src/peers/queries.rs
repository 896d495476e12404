//! The queries, what each costs a server, and what makes two answers the same.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use super::http::{Connection, escape};
use super::payload::Extent;
use super::servers::{Kind, Server};
use crate::generate::Generated;
use crate::process;

/// A query is repeated for about so long, in groups whose median counts.
const TIME_FOR_A_QUERY: Duration = Duration::from_millis(1200);
const GROUPS: usize = 5;
const DAY_S: i64 = 86_400;

/// A query by its name, as the path of a URL.
pub(super) struct Query {
    pub(super) name: &'static str,
    pub(super) path: String,
    /// Whether rates are in it: VictoriaMetrics does not extrapolate as Prometheus does.
    has_rates: bool,
}

/// What a query cost: wall and CPU time of the server.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    pub(super) answer: Summary,
}

/// What is compared of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) series: usize,
    pub(super) points: usize,
    pub(super) sum: f64,
}

impl Summary {
    fn of(body: &[u8]) -> anyhow::Result<Self> {
        let answer: Value = serde_json::from_slice(body).context("read an answer")?;
        let data = &answer["data"];
        let items = data["result"].as_array().or(data.as_array()).context("an answer without a result")?;
        let mut summary = Summary { series: items.len(), ..Summary::default() };
        for item in items {
            match item {
                Value::String(text) => summary.sum += text.bytes().map(f64::from).sum::<f64>(),
                item if item["value"].is_array() => summary.add(&item["value"])?,
                item if item["values"].is_array() => {
                    item["values"].as_array().into_iter().flatten().try_for_each(|v| summary.add(v))?;
                }
                item => {
                    let texts = item.as_object().into_iter().flatten().filter_map(|(_, v)| v.as_str());
                    summary.sum += texts.flat_map(str::bytes).map(f64::from).sum::<f64>();
                }
            }
        }
        Ok(summary)
    }

    fn add(&mut self, point: &Value) -> anyhow::Result<()> {
        let value: f64 = point[1].as_str().context("a point without a value")?.parse()?;
        self.points += 1;
        self.sum += if value.is_finite() { value } else { 0.0 };
        Ok(())
    }

    /// Whether two answers are the same but for a relative difference of the sum.
    pub(super) fn agrees(&self, other: &Summary, tolerance: f64) -> bool {
        let difference = (self.sum - other.sum).abs();
        self.series == other.series && difference <= tolerance * self.sum.abs().max(other.sum.abs())
    }
}

impl Query {
    /// How far the sum of an answer may be off Prometheus' answer: rates of VictoriaMetrics are lower where a series begins.
    pub(super) fn tolerance(&self, kind: Kind) -> f64 {
        if self.has_rates && kind == Kind::VictoriaMetrics { 0.1 } else { 1e-6 }
    }
}

/// The queries over all data: the twelve and two more, or others where it is a day or more.
pub(super) fn queries(extent: Extent) -> Vec<Query> {
    let (start, end) = (extent.start / 1000, extent.end() / 1000);
    let one = Generated::address(extent.series / crate::generate::SERIES_PER_INSTANCE / 2);
    let one = format!("{{instance=\"{one}\"}}");
    let instant = |name, expr: &str| Query {
        name,
        path: format!("/api/v1/query?query={}&time={end}&nocache=1", escape(expr)),
        has_rates: expr.contains("rate("),
    };
    let range = |name, expr: &str, step: u32| Query {
        name,
        path: format!("/api/v1/query_range?query={}&start={start}&end={end}&step={step}&nocache=1", escape(expr)),
        has_rates: expr.contains("rate("),
    };
    let list = |name, path: &str, selector: &str| Query {
        name,
        path: match selector {
            "" => format!("/api/v1/{path}?start={start}&end={end}"),
            _ => format!("/api/v1/{path}?match[]={}&start={start}&end={end}", escape(selector)),
        },
        has_rates: false,
    };
    if end - start >= DAY_S {
        let quantile = "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[1h])))";
        return vec![
            range("days_sum_by_job_rate_1h", "sum by (job) (rate(http_requests_total[1h]))", 3600),
            range("days_hq99_1h", quantile, 3600),
            range("days_avg_gauge_10m", "avg by (zone) (cpu_utilisation_percent)", 600),
            range("days_max_over_time_1d", "max by (zone) (max_over_time(cpu_utilisation_percent[1d]))", 3600),
            range("days_1_instance_rate_5m", &format!("rate(http_requests_total{one}[5m])"), 300),
            instant("days_increase_of_all", &format!("sum(increase(http_requests_total[{}s]))", end - start)),
        ];
    }
    let join =
        "sum by (zone) (rate(http_requests_total[5m]) * on (instance) group_left (version) cpu_utilisation_percent)";
    let quantile = "histogram_quantile(0.99, sum by (le, service) (rate(http_request_duration_seconds_bucket[5m])))";
    vec![
        instant("instant_1_series", &format!("process_resident_memory_bytes{one}")),
        instant("instant_sum_by_job_rate", "sum by (job) (rate(http_requests_total[5m]))"),
        range("range_sum_by_job_rate_15s", "sum by (job) (rate(http_requests_total[5m]))", 15),
        range("range_hq99_by_service_60s", quantile, 60),
        instant("instant_topk10_cpu", "topk(10, rate(node_cpu_seconds_total[5m]))"),
        range("range_1_instance_rate_15s", &format!("rate(http_requests_total{one}[5m])"), 15),
        range("range_avg_over_gauge_60s", "avg by (zone) (cpu_utilisation_percent)", 60),
        instant("instant_count_all", "count({__name__=~\".+\"})"),
        list("label_values_instance", "label/instance/values", ""),
        list("label_names", "labels", ""),
        list("series_1_instance", "series", &one),
        list("series_12k", "series", "http_requests_total"),
        // What is not among the twelve.
        range("range_sum_by_job_all_15s", "sum by (job) ({__name__=~\".+\"})", 15),
        range("range_join_12k_60s", join, 60),
    ]
}

/// A path whose answer shows that all data can be read.
pub(super) fn first_query(extent: Extent) -> String {
    let one = Generated::address(extent.series / crate::generate::SERIES_PER_INSTANCE - 1);
    let expr = escape(&format!("process_resident_memory_bytes{{instance=\"{one}\"}}"));
    format!("/api/v1/query?query={expr}&time={}&nocache=1", extent.end() / 1000)
}

/// Asks a server again and again.
pub(super) fn measure(server: &Server, query: &Query) -> anyhow::Result<Cost> {
    let mut connection = server.connect()?;
    let answer = Summary::of(&ask(&mut connection, query)?)?;
    let begun = Instant::now();
    ask(&mut connection, query)?;
    let in_time = TIME_FOR_A_QUERY.as_secs_f64() / begun.elapsed().as_secs_f64().max(1e-6);
    let repetitions = (in_time as usize / GROUPS).clamp(1, 200);
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..GROUPS {
        let before = process::cpu_time(&server.id())?;
        for _ in 0..repetitions {
            let begun = Instant::now();
            ask(&mut connection, query)?;
            walls.push(begun.elapsed());
        }
        let spent = process::cpu_time(&server.id())?.saturating_sub(before);
        cpus.push(spent / repetitions as u32);
    }
    Ok(Cost { wall: median(walls), cpu: median(cpus), answer })
}

fn ask(connection: &mut Connection, query: &Query) -> anyhow::Result<Vec<u8>> {
    let answer = connection.get(&query.path)?;
    let text = || String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
    anyhow::ensure!(answer.status == 200, "{}: status {}: {}", query.name, answer.status, text());
    Ok(answer.body)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_summed_up() {
        let vector =
            br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2.5"]}]}}"#;
        assert_eq!(Summary::of(vector).unwrap(), Summary { series: 1, points: 1, sum: 2.5 });
        let matrix =
            br#"{"data":{"result":[{"metric":{},"values":[[1,"2"],[2,"NaN"]]},{"metric":{},"values":[[1,"1"]]}]}}"#;
        assert_eq!(Summary::of(matrix).unwrap(), Summary { series: 2, points: 3, sum: 3.0 });
        assert_eq!(Summary::of(br#"{"data":["a","b"]}"#).unwrap().series, 2);
        assert_eq!(Summary::of(br#"{"data":[{"a":"a"}]}"#).unwrap(), Summary { series: 1, points: 0, sum: 97.0 });
        assert!(Summary::of(b"{}").is_err());
    }

    #[test]
    fn answers_differ_by_count_or_sum() {
        let one = Summary { series: 3, points: 3, sum: 100.0 };
        assert!(one.agrees(&Summary { sum: 100.00001, ..one }, 1e-6));
        assert!(!one.agrees(&Summary { sum: 100.1, ..one }, 1e-6));
        assert!(!one.agrees(&Summary { series: 2, ..one }, 1e-6));
    }
}
