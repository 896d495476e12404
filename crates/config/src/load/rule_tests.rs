//! Reading unit tests of rules.

use std::path::Path;

use crate::decode::Fields;
use crate::error::ConfigErrors;
use crate::rule_tests::{AlertCase, AlertExpected, ExprCase, InputSeries, RuleTestGroup, RuleTests, SampleExpected};
use crate::rules::Placed;
use crate::scalar::Millis;

use super::{Loaded, literal_file};

const DEFAULT_INTERVAL: Millis = Millis::from_secs(60);
const KEYS: &[&str] = &["rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests"];
const TEST_KEYS: &[&str] = &[
    "interval",
    "input_series",
    "name",
    "start_timestamp",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
];

/// Reads the text of a file of unit tests; `path` names it in errors.
pub fn load_rule_tests(text: &str, path: &Path) -> Result<Loaded<RuleTests>, ConfigErrors> {
    literal_file(path, text, |context, node| {
        let f = Fields::open(context, node, "", &[KEYS]);
        let given = f.duration("evaluation_interval").filter(|interval| !interval.is_zero());
        let evaluation_interval = given.unwrap_or(DEFAULT_INTERVAL);
        let group_eval_order = f.texts("group_eval_order");
        for (i, name) in group_eval_order.iter().enumerate() {
            if group_eval_order[..i].contains(name) {
                f.problem("group_eval_order", format!("group name repeated in evaluation order: {name}"));
            }
        }
        RuleTests {
            rule_files: f.texts("rule_files"),
            evaluation_interval,
            group_eval_order,
            fuzzy_compare: f.boolean("fuzzy_compare").unwrap_or(false),
            tests: f.sections("tests", |context, node, path| {
                Some(test(&Fields::open(context, node, path, &[TEST_KEYS]), evaluation_interval))
            }),
        }
    })
}

fn test(f: &Fields<'_, '_>, default_interval: Millis) -> RuleTestGroup {
    let input_series = f.sections("input_series", |context, node, path| {
        let f = Fields::open(context, node, path, &[&["series", "values"]]);
        let series = Placed { text: f.text_or_empty("series"), at: f.place("series") };
        Some(InputSeries { series, values: f.text_or_empty("values") })
    });
    RuleTestGroup {
        name: f.text_or_empty("name"),
        interval: f.duration("interval").filter(|interval| !interval.is_zero()).unwrap_or(default_interval),
        start_timestamp: Placed { text: f.text_or_empty("start_timestamp"), at: f.place("start_timestamp") },
        input_series,
        alert_rule_test: f.sections("alert_rule_test", |context, node, path| {
            Some(alert_case(&Fields::open(context, node, path, &[&["eval_time", "alertname", "exp_alerts"]])))
        }),
        promql_expr_test: f.sections("promql_expr_test", |context, node, path| {
            Some(expr_case(&Fields::open(context, node, path, &[&["expr", "eval_time", "exp_samples"]])))
        }),
        external_labels: f.text_map("external_labels"),
        external_url: f.text_or_empty("external_url"),
    }
}

fn alert_case(f: &Fields<'_, '_>) -> AlertCase {
    let alertname = f.text_or_empty("alertname");
    if alertname.is_empty() && f.is_mapping() {
        f.problem("alertname", "an item under alert_rule_test misses required attribute alertname");
    }
    AlertCase {
        eval_time: f.duration("eval_time").unwrap_or_default(),
        alertname,
        exp_alerts: f.sections("exp_alerts", |context, node, path| {
            let f = Fields::open(context, node, path, &[&["exp_labels", "exp_annotations"]]);
            Some(AlertExpected { labels: f.text_map("exp_labels"), annotations: f.text_map("exp_annotations") })
        }),
    }
}

fn expr_case(f: &Fields<'_, '_>) -> ExprCase {
    ExprCase {
        expr: f.text_or_empty("expr"),
        eval_time: f.duration("eval_time").unwrap_or_default(),
        exp_samples: f.sections("exp_samples", |context, node, path| {
            let f = Fields::open(context, node, path, &[&["labels", "value", "histogram"]]);
            f.read("value", "a number", crate::rule_tests::parse_value);
            Some(SampleExpected {
                labels: f.text_or_empty("labels"),
                value: f.text_or_empty("value"),
                histogram: f.text_or_empty("histogram"),
            })
        }),
    }
}
