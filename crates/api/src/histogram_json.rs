//! Native histograms as Prometheus' API writes them: `{"count":"4","sum":"2.5","buckets":[[3,"-0.1","0.1","2"],...]}`.

use model::FloatHistogram;

use crate::json::{push_integer, push_value};

/// Appends a histogram; empty buckets are left out.
pub(crate) fn push_histogram(out: &mut Vec<u8>, histogram: &FloatHistogram) {
    out.extend_from_slice(br#"{"count":"#);
    push_value(out, histogram.count);
    out.extend_from_slice(br#","sum":"#);
    push_value(out, histogram.sum);
    let mut separator: &[u8] = br#","buckets":["#;
    for bucket in histogram.all_buckets().iter().filter(|b| b.count != 0.0) {
        out.extend_from_slice(separator);
        separator = b",";
        out.push(b'[');
        push_integer(out, bucket.boundary_code().into());
        for value in [bucket.lower, bucket.upper, bucket.count] {
            out.push(b',');
            push_value(out, value);
        }
        out.push(b']');
    }
    if separator == b"," {
        out.push(b']');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::BucketSpan;

    fn json(histogram: &FloatHistogram) -> serde_json::Value {
        let mut out = Vec::new();
        push_histogram(&mut out, histogram);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn exponential_buckets() {
        let histogram = FloatHistogram {
            schema: 0,
            zero_threshold: 0.001,
            zero_count: 2.0,
            count: 13.5,
            sum: -3.25,
            positive_spans: vec![BucketSpan { offset: 0, length: 2 }, BucketSpan { offset: 1, length: 1 }],
            positive_buckets: vec![1.0, 0.0, 3.5],
            negative_spans: vec![BucketSpan { offset: -1, length: 2 }],
            negative_buckets: vec![4.0, 3.0],
            ..Default::default()
        };
        assert_eq!(
            json(&histogram),
            serde_json::json!({"count":"13.5","sum":"-3.25","buckets":[
                [1,"-1","-0.5","3"],[1,"-0.5","-0.25","4"],[3,"-0.001","0.001","2"],[0,"0.5","1","1"],[0,"4","8","3.5"]]})
        );
    }

    #[test]
    fn custom_buckets_and_empty() {
        let histogram = FloatHistogram {
            schema: -53,
            count: 6.0,
            sum: 9.0,
            positive_spans: vec![BucketSpan { offset: 0, length: 3 }],
            positive_buckets: vec![1.0, 2.0, 3.0],
            custom_values: vec![0.5, 2.0],
            ..Default::default()
        };
        assert_eq!(
            json(&histogram),
            serde_json::json!({"count":"6","sum":"9","buckets":[
                [3,"-Inf","0.5","1"],[0,"0.5","2","2"],[0,"2","+Inf","3"]]})
        );
        assert_eq!(json(&FloatHistogram::default()), serde_json::json!({"count":"0","sum":"0"}));
    }
}
