//! `info(v, {...})`: adds the labels of matching info series, such as `target_info`, to each series.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Labels, METRIC_NAME, MatchOp, Matcher, SelectRequest};

use super::select::Lookup;
use super::{Evaluator, Series};
use crate::ast::{At, Expr};
use crate::engine::QueryError;

/// Labels by which info series are found. They are not configurable in Prometheus either.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// An info series with, per step, the time in milliseconds of the sample that is visible.
struct InfoSeries {
    labels: Labels,
    times: Vec<f64>,
}

impl InfoSeries {
    fn time(&self, step: usize) -> Option<f64> {
        self.times.get(step).copied().filter(|t| super::is_present(*t))
    }
}

/// One piece of information: which metric, and whom it identifies.
type InfoKey = (String, Labels);

impl Evaluator<'_> {
    pub(crate) fn eval_info(&mut self, args: &[Expr]) -> Result<Vec<Series>, QueryError> {
        let lookup = lookup_of(&args[0]);
        let base = self.eval_vector(&args[0])?;
        let selector = args.get(1).and_then(|a| a.unwrapped().selector());
        let matchers: &[Matcher] = selector.map_or(&[], |s| s.matchers.as_slice());
        let (names, data): (Vec<Matcher>, Vec<Matcher>) = matchers.iter().cloned().partition(|m| m.name == METRIC_NAME);
        let names = effective_names(names);
        let is_info: Vec<bool> = base.iter().map(|s| names.iter().all(|m| m.matches(s.labels.metric_name()))).collect();
        let info = self.select_info(&base, &is_info, &names, &data, lookup)?;
        self.combine(base, &is_info, &info, &data)
    }

    fn select_info(
        &mut self,
        base: &[Series],
        is_info: &[bool],
        names: &[Matcher],
        data: &[Matcher],
        lookup: Lookup,
    ) -> Result<Vec<InfoSeries>, QueryError> {
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for series in base.iter().zip(is_info).filter(|(_, info)| !**info).map(|(s, _)| s) {
            for name in IDENTIFYING {
                if let Some(value) = series.labels.get(name) {
                    values.entry(name).or_default().insert(value);
                }
            }
        }
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let mut matchers: Vec<Matcher> = Vec::new();
        for (name, values) in values {
            let pattern: Vec<String> = values.into_iter().map(regex::escape).collect();
            let matcher = Matcher::new(name, MatchOp::Regex, pattern.join("|"));
            matchers.push(matcher.map_err(|e| QueryError::execution(e.to_string()))?);
        }
        matchers.extend(data.iter().cloned());
        matchers.extend(names.iter().cloned());

        let (query, steps) = (self.query, self.steps);
        let (first, last) = lookup.extent(steps);
        let range = query.instant_range(first, last);
        let request = SelectRequest {
            tenant: query.tenant,
            matchers: &matchers,
            range,
            projection: None,
            memory: Some(query.account.reservation()),
        };
        let set = query.missing.listen(query.source.select(&request)?);
        let mut found = Vec::new();
        let mut buffer = model::SampleBuffer::default();
        for index in 0..set.len() {
            query.check()?;
            buffer.clear();
            set.read(index, range, &mut buffer)?;
            let labels = set.labels(index);
            if !buffer.histograms.is_empty() {
                let text = format!("this should be an info metric, with float samples: {labels}");
                return Err(QueryError::execution(text));
            }
            let times = super::select::sample_times(&buffer, steps, lookup, query.lookback_ms);
            let seen = times.iter().filter(|t| super::is_present(**t)).count();
            for (step, _) in times.iter().enumerate().filter(|(_, t)| super::is_present(**t)) {
                self.stats.count(step, 1);
            }
            if seen > 0 {
                query.account.take(seen.max(times.len() / 2))?;
                query.account.take_series(labels.encoded_len() + super::SERIES_BYTES)?;
                found.push(InfoSeries { labels, times });
            }
        }
        Ok(found)
    }

    fn combine(
        &mut self,
        base: Vec<Series>,
        is_info: &[bool],
        info: &[InfoSeries],
        data: &[Matcher],
    ) -> Result<Vec<Series>, QueryError> {
        let identity = |labels: &Labels| labels.without(|name| !IDENTIFYING.contains(&name));
        let mut by_key: HashMap<InfoKey, Vec<usize>> = HashMap::new();
        let mut info_names: BTreeSet<String> = BTreeSet::new();
        for (at, series) in info.iter().enumerate() {
            let name = series.labels.metric_name().to_owned();
            info_names.insert(name.clone());
            by_key.entry((name, identity(&series.labels))).or_default().push(at);
        }
        let newest = self.newest_by_step(&by_key, info, &base)?;
        let needs_info = data.iter().any(|m| !m.matches_empty());
        let wanted = |name: &str| data.is_empty() || data.iter().any(|m| m.name == name);

        let mut output: Vec<Series> = Vec::new();
        for (series, is_info) in base.into_iter().zip(is_info) {
            if *is_info {
                output.push(series);
                continue;
            }
            let identity = identity(&series.labels);
            let keys: Vec<InfoKey> = info_names.iter().map(|n| (n.clone(), identity.clone())).collect();
            let mut places: HashMap<Vec<Option<usize>>, usize> = HashMap::new();
            for step in 0..self.steps.count {
                let Some(value) = series.value(step) else { continue };
                let sources: Vec<Option<usize>> =
                    keys.iter().map(|k| newest.get(k).and_then(|by_step| by_step[step])).collect();
                if needs_info && sources.iter().all(Option::is_none) {
                    continue;
                }
                let place = match places.get(&sources) {
                    Some(place) => *place,
                    None => {
                        let labels = enriched(&series.labels, &sources, info, wanted)?;
                        output.push(Series { drop_name: series.drop_name, ..Series::new(labels) });
                        places.insert(sources, output.len() - 1);
                        output.len() - 1
                    }
                };
                output[place].set(step, value, self.steps.count);
            }
        }
        output.retain(|s| !s.is_empty());
        super::finish::merge_same_labels(output)
    }

    /// For each piece of information and step the series whose sample is newest; two equally new ones contradict each other.
    fn newest_by_step(
        &self,
        by_key: &HashMap<InfoKey, Vec<usize>>,
        info: &[InfoSeries],
        base: &[Series],
    ) -> Result<HashMap<InfoKey, Vec<Option<usize>>>, QueryError> {
        let mut newest = HashMap::with_capacity(by_key.len());
        for (key, members) in by_key {
            let mut by_step: Vec<Option<usize>> = vec![None; self.steps.count];
            for (step, slot) in by_step.iter_mut().enumerate() {
                for member in members {
                    let Some(time) = info[*member].time(step) else { continue };
                    let Some(other) = *slot else {
                        *slot = Some(*member);
                        continue;
                    };
                    let other_time = info[other].time(step).unwrap_or(f64::MIN);
                    if time == other_time && base.iter().any(|s| s.is_present_at(step)) {
                        return Err(QueryError::execution(format!(
                            "found duplicate series for info metric: existing {} @ {}, new {} @ {}",
                            info[other].labels, other_time as i64, info[*member].labels, time as i64
                        )));
                    }
                    if time > other_time {
                        *slot = Some(*member);
                    }
                }
            }
            newest.insert(key.clone(), by_step);
        }
        Ok(newest)
    }
}

/// The labels of a base series with those of its info series; labels that it has itself stay.
fn enriched(
    base: &Labels,
    sources: &[Option<usize>],
    info: &[InfoSeries],
    wanted: impl Fn(&str) -> bool,
) -> Result<Labels, QueryError> {
    let mut added = model::LabelsBuilder::default();
    for source in sources.iter().flatten() {
        for label in info[*source].labels.iter().filter(|l| l.name != METRIC_NAME && wanted(l.name)) {
            let known = added.get(label.name);
            if !known.is_empty() && known != label.value {
                return Err(QueryError::execution(format!("conflicting label: {}", label.name)));
            }
            if base.get(label.name).is_none() {
                added.set(label.name, label.value);
            }
        }
    }
    let mut labels = base.to_builder();
    for (name, value) in added.iter() {
        labels.set(name, value);
    }
    Ok(labels.build())
}

/// With conditions that only exclude names, everything that is called an info metric counts; with none, `target_info`.
fn effective_names(mut names: Vec<Matcher>) -> Vec<Matcher> {
    if names.is_empty() {
        return vec![Matcher::equal(METRIC_NAME, "target_info")];
    }
    if !names.iter().any(|m| matches!(m.op, MatchOp::Equal | MatchOp::Regex)) {
        let any_info = Matcher::new(METRIC_NAME, MatchOp::Regex, ".+_info").expect("the pattern is valid");
        names.insert(0, any_info);
    }
    names
}

/// When info series are looked up: as the first selector of the argument, with the offsets of the subqueries around it up to the
/// first `@`.
fn lookup_of(expr: &Expr) -> Lookup {
    let mut found: Option<(Option<i64>, i64)> = None;
    crate::ast::walk(expr, &mut |node, path| {
        let (None, Some(selector)) = (found, node.selector()) else { return };
        let pinned = |at: Option<At>| match at {
            Some(At::Timestamp(t)) => Some(t),
            _ => None,
        };
        let (mut at, mut offset) = (pinned(selector.at), selector.offset_ms);
        for outer in path.iter().rev() {
            if at.is_some() {
                break;
            }
            if let Expr::Subquery(subquery) = outer {
                offset += subquery.offset_ms;
                at = pinned(subquery.at);
            }
        }
        found = Some((at, offset));
    });
    let (at, offset) = found.unwrap_or((None, 0));
    Lookup { at, offset }
}
