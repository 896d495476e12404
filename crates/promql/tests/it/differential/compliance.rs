//! The breadth of Prometheus' own compliance queries, in our words.

/// Each operator, aggregation and function on plain data.
pub(super) fn compliance() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut add = |text: &str, values: &[&str]| all.extend(values.iter().map(|v| text.replace("{}", v)));
    let arithmetic = ["+", "-", "*", "/", "%", "^"];
    let comparison = ["==", "!=", "<", ">", "<=", ">="];
    let both: Vec<&str> = arithmetic.iter().chain(&comparison).copied().collect();
    let simple = ["sum", "avg", "max", "min", "count", "stddev", "stdvar"];
    let ranges = ["1s", "15s", "1m", "5m", "15m", "1h"];
    let quantiles = ["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"];
    add("{}", &["17", "3.25", ".5", "2.5e-2", "0x2f", "Inf", "+Inf", "-Inf", "NaN", "-3 ^ 2", "2 ^ 3 ^ 2"]);
    add("temperature{}", &["", "{zone=\"n\"}", "{zone!=\"n\"}", "{instance=~\".:1\"}", "{instance=~\"a\"}"]);
    add("temperature{}", &["{instance!~\".*1\"}", "{zone=\"n\",instance!=\"a:1\"}", " offset 1m", " offset -5m"]);
    add("{}", &["{__name__=\"temperature\"}", "{zone=\"n\",job!=\"db\"}", "{__name__=~\".*\"}", "nowhere"]);
    for clause in ["", "by () ", "by (instance) ", "by (instance, zone) ", "by (nowhere) "] {
        add(&format!("{{}} {clause}(temperature)"), &simple);
        add(&format!("{{}} {clause}(nowhere)"), &simple);
    }
    for clause in ["without () ", "without (instance) ", "without (instance, zone) ", "without (nowhere) "] {
        add(&format!("{{}} {clause}(temperature)"), &simple);
    }
    for clause in ["", "by (instance) ", "without (instance) ", "without () "] {
        add(&format!("{{}} {clause}(2, temperature)"), &["topk", "bottomk"]);
    }
    add("quantile({}, temperature)", &quantiles);
    add("avg(max by (zone) ({}))", &["temperature"]);
    add("3 * 4 + 5 / 7 - 11 % 3 ^ {}", &["2"]);
    add("level + (1 {} bool 2)", &comparison);
    add("temperature {} 1.5", &both);
    add("0.125 {} temperature", &both);
    add("(7 * 2 + 4 / 3 - (10 % 7) ^ 2) {} temperature", &both);
    add("temperature {} (7 * 2 + 4 / 3 - 10)", &both);
    add("temperature {} bool 1.5", &comparison);
    add("1.5 {} bool temperature", &comparison);
    add("temperature {} on (instance, job, zone) temperature", &both);
    add("sum by (instance, zone) (temperature) {} on (instance, zone) group_left (job) temperature", &both);
    add("temperature {} bool on (instance, job, zone) temperature", &comparison);
    add("temperature / on (instance, job, zone, __name__{}) temperature", &["", ", nowhere"]);
    add(
        "sum without (job) (temperature) / on (instance, zone){} temperature",
        &["", " group_left", " group_left (job)"],
    );
    add("temperature / on (instance, job) group_left {}", &["level", "errors_total"]);
    add("level * {}", &["Inf", "-Inf", "NaN"]);
    add("{}", &["temperature + -(1)", "-temperature", "timestamp(temperature * 1)", "timestamp(-temperature)"]);
    for (left, right) in [("1", "time()"), ("time()", "1"), ("time()", "time()")] {
        add(&format!("{left} {{}} {right}"), &arithmetic);
        add(&format!("{left} {{}} bool {right}"), &comparison);
    }
    add("time() {} temperature", &both);
    add("temperature {} time()", &both);
    for function in ["sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last", "present"] {
        add(&format!("{function}_over_time(temperature[{{}}])"), &ranges);
    }
    for quantile in quantiles {
        add(&format!("quantile_over_time({quantile}, temperature[{{}}])"), &ranges);
    }
    add("timestamp({})", &["level", "timestamp(level)"]);
    let math =
        ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round", "sgn", "deg", "rad", "cos", "sin"];
    add("{}(temperature)", &math);
    add("{}(-temperature)", &math);
    for function in ["rate", "increase", "delta", "irate", "idelta"] {
        add(&format!("{function}(nowhere[{{}}])"), &["5m"]);
        add(&format!("{function}(cpu_seconds_total[{{}}])"), &ranges);
    }
    add("deriv(temperature[{}])", &ranges);
    add("predict_linear(temperature[{}], 600)", &ranges);
    add("resets(cpu_seconds_total[{}])", &ranges);
    add("changes(level[{}])", &ranges);
    add(
        "label_replace(level, {})",
        &[
            r#""job", "to-$1", "instance", "(.):1""#,
            r#""job", "to-$1", "instance", "a(.*)x""#,
            r#""job", "$1-$2", "instance", "(.*):(.*)""#,
            r#""job", "to-$1", "nowhere", "from-(.*)""#,
            r#""job", "to-$1", "nowhere", "(.*)""#,
            r#""job", "to-$1", "instance", "no-match""#,
            r#""job", "", "target", ".*""#,
            r#""job", "to-$1", "source", "(.*""#,
            r#""~invalid", "", "source", "(.*)""#,
            r#""instance", "", "", """#,
        ],
    );
    add(
        "label_join(level, {})",
        &[
            r#""new", "-", "instance", "job""#,
            r#""job", "-", "instance", "job""#,
            r#""job", "-", "instance""#,
            r#""~invalid", "-", "instance""#,
        ],
    );
    for function in ["day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"] {
        add(&format!("{function}({{}})"), &["", "requests_total offset 1m", "time() * vector(1)"]);
    }
    add("clamp_min(temperature, {})", &["2", "NaN"]);
    add("clamp_max(temperature, {})", &["2", "NaN"]);
    add("clamp(temperature, {})", &["0, 1", "0, 1e12", "1e12, 0", "3, 3"]);
    add("vector({})", &["1.5", "time()"]);
    add("histogram_quantile({}, rate(latency_bucket[1m]))", &quantiles);
    add("histogram_quantile(0.9, {})", &["nowhere", "temperature", "{__name__=~\"latency_.+\"}", "rpc_latency"]);
    add("{}", &["count_values(\"value\", latency_bucket)", "absent(temperature)", "absent(nowhere)"]);
    add("max_over_time((time() - max(level) < {})[5m:10s] offset 5m)", &["1000", "1e12"]);
    add("avg_over_time(rate(cpu_seconds_total[1m])[2m:{}])", &["10s", ""]);
    all
}
