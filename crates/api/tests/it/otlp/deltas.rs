//! Deltas that could not be stored are not counted twice when they come again.

use config::OtlpConfig;
use model::AppendError;
use serde_json::json;

use super::Receiver;

async fn send(receiver: &Receiver, second: u64, value: u64) -> u16 {
    let point = json!({"timeUnixNano": (1_700_000_000 + second) * 1_000_000_000, "asInt": value});
    let sum = json!({"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point]});
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "d", "sum": sum}]}]}]});
    receiver.post("application/json", body.to_string()).await.status.as_u16()
}

#[tokio::test]
async fn a_failed_write_is_taken_back() {
    let receiver = Receiver::new(OtlpConfig::default());
    assert_eq!(send(&receiver, 1, 5).await, 200);
    receiver.sink.0.lock().failure = Some(AppendError::OverBudget { retry_after_s: 1 });
    assert_eq!(send(&receiver, 2, 7).await, 503);
    receiver.sink.0.lock().failure = None;
    assert_eq!(send(&receiver, 2, 7).await, 200);
    assert_eq!(send(&receiver, 3, 1).await, 200);
    let values: Vec<f64> = receiver.sink.floats().iter().map(|(_, _, value)| *value).collect();
    assert_eq!(values, [5.0, 12.0, 13.0]);
}
