//! Range answers as columns of numbers: the same values as in JSON, pictures, and what is left out where the client has it.

use axum::body::Body;
use serde_json::Value;

use crate::support::{Answer, App, request};

const TYPE: &str = "application/vnd.afferent.columns";
const RANGE: &str = "start=1700000000&end=1700000600&step=15";

async fn ask(app: &App, query: &str) -> Answer {
    let path = format!("/api/v1/query_range?{query}");
    app.send(request("GET", &path).header("accept", TYPE).body(Body::empty()).unwrap()).await
}

/// A column: metric, step numbers, values.
type Column = (Value, Vec<u32>, Vec<f64>);

/// Reads the format as its description says.
fn decode(body: &[u8]) -> (Value, Vec<Column>) {
    assert_eq!(&body[..4], b"AFC1");
    let head_length = u32::from_le_bytes(body[4..8].try_into().unwrap()) as usize;
    assert_eq!((8 + head_length) % 8, 0);
    let head: Value = serde_json::from_slice(&body[8..8 + head_length]).unwrap();
    let mut rest = &body[8 + head_length..];
    let mut take = |bytes: usize| {
        let (taken, left) = rest.split_at(bytes);
        rest = left;
        taken.to_vec()
    };
    let mut columns = Vec::new();
    for series in head["series"].as_array().unwrap() {
        let points = series["points"].as_u64().unwrap() as usize;
        let steps: Vec<u32> = if series["dense"] == true {
            assert_eq!(head["steps"].as_u64(), Some(points as u64));
            (0..points as u32).collect()
        } else {
            let bytes = take(points.next_multiple_of(2) * 4);
            bytes.chunks(4).take(points).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        let values = take(points * 8).chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
        columns.push((series["metric"].clone(), steps, values));
    }
    assert!(rest.is_empty());
    (head, columns)
}

/// The samples that JSON gives, as (metric, [(milliseconds, bits)]).
fn of_json(answer: &Value) -> Vec<(Value, Vec<(i64, u64)>)> {
    let series = answer["data"]["result"].as_array().unwrap();
    let sample = |s: &Value| {
        let at = (s[0].as_f64().unwrap() * 1000.0).round() as i64;
        (at, model::float::parse_go(s[1].as_str().unwrap()).unwrap().to_bits())
    };
    let values = |s: &Value| s["values"].as_array().map_or(Vec::new(), |v| v.iter().map(sample).collect());
    series.iter().map(|s| (s["metric"].clone(), values(s))).collect()
}

fn of_columns(head: &Value, columns: &[Column]) -> Vec<(Value, Vec<(i64, u64)>)> {
    let (from, step) = (head["from"].as_i64().unwrap(), head["step"].as_i64().unwrap());
    let samples = |steps: &[u32], values: &[f64]| {
        let all = steps.iter().zip(values).filter(|(_, v)| !model::is_stale(**v));
        all.map(|(at, v)| (from + i64::from(*at) * step, v.to_bits())).collect()
    };
    columns.iter().map(|(metric, steps, values)| (metric.clone(), samples(steps, values))).collect()
}

#[tokio::test]
async fn columns_hold_what_json_holds() {
    let app = App::new();
    for query in [
        "http_requests_total",
        "rate(http_requests_total[2m])",
        "http_requests_total%20%3E%20700",
        "nothing",
        "vector(1)/0",
        "0/vector(0)",
        "sqrt(-http_requests_total)",
    ] {
        let query = format!("query={query}&{RANGE}&stats=all");
        let json = app.get(&format!("/api/v1/query_range?{query}")).await.json();
        let answer = ask(&app, &query).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(TYPE)), "{query}");
        let (head, columns) = decode(&answer.body);
        let nan_is_nan = |mut all: Vec<(Value, Vec<(i64, u64)>)>| {
            let samples = all.iter_mut().flat_map(|(_, samples)| samples);
            samples.filter(|(_, bits)| f64::from_bits(*bits).is_nan()).for_each(|(_, bits)| *bits = f64::NAN.to_bits());
            all
        };
        assert_eq!(nan_is_nan(of_columns(&head, &columns)), nan_is_nan(of_json(&json)), "{query}");
        assert_eq!((&head["start"], &head["steps"]), (&1_700_000_000_000_i64.into(), &41.into()));
        assert!(head["stats"]["samples"]["totalQueryableSamples"].is_number(), "{head}");
    }
    let (head, _) = decode(&ask(&app, &format!("query=quantile(2,http_requests_total)&{RANGE}")).await.body);
    assert!(head["warnings"][0].as_str().unwrap().contains("quantile value should be between 0 and 1"), "{head}");
}

#[tokio::test]
async fn pictures_keep_the_extremes_of_every_column() {
    let app = App::new();
    // Every 50 ms for ten minutes: 12,001 steps, which JSON refuses.
    let range = "start=1700000000&end=1700000600&step=0.05";
    assert_eq!(app.get(&format!("/api/v1/query_range?query=up&{range}")).await.status, 400);
    let answer = ask(&app, &format!("query=sin(vector(time()*5)-8500000000)&{range}&width=100")).await;
    let (head, columns) = decode(&answer.body);
    let (_, steps, values) = &columns[0];
    assert_eq!((&head["steps"], head["series"][0]["dense"].as_bool()), (&12_001.into(), Some(false)));
    assert!(steps.len() <= 401 && steps.len() > 300, "{}", steps.len());
    assert_eq!((steps[0], steps[steps.len() - 1]), (0, 12_000));
    // A column is six seconds wide, nearly five waves: each reaches from -1 to 1.
    for pixel in 0..100 {
        let inside = steps.iter().zip(values).filter(|(at, _)| (**at as usize * 100 / 12_000).min(99) == pixel);
        let (least, greatest) = inside.fold((f64::MAX, f64::MIN), |(l, g), (_, v)| (l.min(*v), g.max(*v)));
        assert!(least < -0.99 && greatest > 0.99, "{pixel}: {least} {greatest}");
    }
    assert!(answer.body.len() < 12_001 * 8 / 10, "{}", answer.body.len());
}

#[tokio::test]
async fn only_new_steps_travel() {
    let app = App::new();
    let query = format!("query=sum(http_requests_total)&{RANGE}");
    let (_, whole) = decode(&ask(&app, &query).await.body);
    for (since, from) in [
        ("1700000300", 1_700_000_315_000_i64),
        ("1700000301.5", 1_700_000_315_000),
        // The last step is sent in any case, and all of them to a client that knows none.
        ("1700000600", 1_700_000_600_000),
        ("1800000000", 1_700_000_600_000),
        ("1600000000", 1_700_000_000_000),
    ] {
        let (head, columns) = decode(&ask(&app, &format!("{query}&since={since}")).await.body);
        assert_eq!((head["from"].as_i64(), head["start"].as_i64()), (Some(from), Some(1_700_000_000_000)), "{since}");
        let skipped = ((from - 1_700_000_000_000) / 15_000) as usize;
        assert_eq!(columns[0].2, whole[0].2[skipped..], "{since}");
        assert_eq!(head["steps"].as_u64(), Some(41 - skipped as u64));
    }
    // What depends on the first step, and pictures, whose columns move, come whole.
    for whole in ["sum(http_requests_total%20@%20start())", "range()%2Bvector(0)"] {
        let (head, _) = decode(&ask(&app, &format!("query={whole}&{RANGE}&since=1700000300")).await.body);
        assert_eq!(head["from"], head["start"], "{whole}");
    }
    let (head, _) = decode(&ask(&app, &format!("{query}&since=1700000300&width=10")).await.body);
    assert_eq!(head["from"], head["start"]);
}

#[tokio::test]
async fn refusals_are_json() {
    let app = App::new();
    for (query, error) in [
        (
            format!("query=up&{RANGE}&width=0"),
            "invalid parameter \"width\": a number of pixels from 1 to 16384 is needed",
        ),
        (format!("query=up&{RANGE}&since=x"), "invalid parameter \"since\": cannot parse \"x\" to a valid timestamp"),
        (
            format!("query=\"text\"&{RANGE}"),
            "invalid parameter \"query\": invalid expression type \"string\" for range query, must be Scalar or instant Vector",
        ),
        (format!("query=sum(&{RANGE}"), ""),
    ] {
        let answer = ask(&app, &query.replace('"', "%22")).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (400, Some("application/json")), "{query}");
        assert!(answer.json()["error"].as_str().unwrap().starts_with(error), "{}", answer.text());
    }
    let many = ask(&app, "query=up&start=0&end=1000000&step=1&width=100").await;
    assert_eq!(many.status, 400);
}
