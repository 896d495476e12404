//! Function calls.

use model::stale_nan;

use super::finish::merge_same_labels;
use super::prepare::selector_span;
use super::{Evaluated, Evaluator, Series, is_present};
use crate::annotations::Notice;
use crate::ast::{Call, Expr};
use crate::engine::QueryError;
use crate::functions::date::{date_function, utc, utc_of_value};
use crate::functions::histogram_vector::{Histograms, Question, format_quantile, histogram_function};
use crate::functions::labels::{label_join, label_replace, labels_for_absent, text_of};
use crate::functions::math::{clamp, float_function, go_max, go_min, round};
use crate::functions::range_function;
use crate::functions::sort::{sort_by_labels, sort_by_value};

impl Evaluator<'_> {
    pub(crate) fn eval_call(&mut self, call: &Call) -> Result<Evaluated, QueryError> {
        let name = call.func.name;
        if let Some(function) = range_function(name) {
            return self.eval_range_call(call, function).map(Evaluated::Vector);
        }
        let args = &call.args;
        match name {
            "time" => Ok(Evaluated::Scalar((0..self.steps.count).map(|s| self.steps.at(s) as f64 / 1000.0).collect())),
            "pi" => Ok(Evaluated::Scalar(vec![std::f64::consts::PI; self.steps.count])),
            "scalar" => self.eval_scalar_function(&args[0]),
            "max_of" | "min_of" => {
                let pick = if name == "max_of" { go_max } else { go_min };
                let (a, b) = (self.eval_scalar(&args[0])?, self.eval_scalar(&args[1])?);
                Ok(Evaluated::Scalar(a.into_iter().zip(b).map(|(a, b)| pick(a, b)).collect()))
            }
            _ => self.eval_vector_call(call).map(Evaluated::Vector),
        }
    }

    fn eval_vector_call(&mut self, call: &Call) -> Result<Vec<Series>, QueryError> {
        let (name, args) = (call.func.name, &call.args);
        if let Some(function) = float_function(name) {
            let series = self.eval_vector(&args[0])?;
            return self.map_floats(series, |_, v| function(v));
        }
        if let Some(function) = histogram_function(name) {
            return self.map_histograms(&args[0], function);
        }
        if let Some(function) = date_function(name) {
            return match args.first() {
                None => {
                    let column = (0..self.steps.count).map(|s| function(utc(self.steps.at(s) / 1000))).collect();
                    Ok(vec![Series::of_scalar(column)])
                }
                Some(arg) => {
                    let series = self.eval_vector(arg)?;
                    self.map_floats(series, |_, v| function(utc_of_value(v)))
                }
            };
        }
        match name {
            "absent" => {
                let series = self.eval_vector(&args[0])?;
                let column = (0..self.steps.count)
                    .map(|step| if series.iter().any(|s| s.is_present_at(step)) { stale_nan() } else { 1.0 })
                    .collect();
                self.finish(vec![Series { floats: column, ..Series::new(labels_for_absent(&args[0])) }])
            }
            "clamp" | "clamp_min" | "clamp_max" => self.eval_clamp(name, args),
            "histogram_fraction" => {
                let (lower, upper) = (self.eval_scalar(&args[0])?, self.eval_scalar(&args[1])?);
                let input = self.eval_vector(&args[2])?;
                self.ask_histograms(&input, &args[2], &[Question::Fraction(&lower, &upper)], &[None])
            }
            "histogram_quantile" => {
                let q = self.eval_scalar(&args[0])?;
                let input = self.eval_vector(&args[1])?;
                self.check_quantiles(&q, &args[0]);
                self.ask_histograms(&input, &args[1], &[Question::Quantile(&q)], &[None])
            }
            "histogram_quantiles" => self.eval_histogram_quantiles(args),
            "info" => self.eval_info(args),
            "label_join" | "label_replace" => {
                let relabelling = if name == "label_join" { label_join(args)? } else { label_replace(args)? };
                let mut series = self.eval_vector(&args[0])?;
                series.iter_mut().for_each(relabelling);
                merge_same_labels(series)
            }
            "round" => {
                let series = self.eval_vector(&args[0])?;
                let to = match args.get(1) {
                    Some(arg) => self.eval_scalar(arg)?,
                    None => vec![1.0; self.steps.count],
                };
                self.map_floats(series, |step, v| round(v, to[step]))
            }
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => self.eval_sort(call),
            "start_timestamp" | "timestamp" => self.eval_timestamp(call),
            "vector" => Ok(vec![Series::of_scalar(self.eval_scalar(&args[0])?)]),
            other => Err(QueryError::execution(format!("unknown function {other}"))),
        }
    }

    /// Maps floats with their step, drops histograms and the name.
    fn map_floats(
        &mut self,
        mut series: Vec<Series>,
        function: impl Fn(usize, f64) -> f64,
    ) -> Result<Vec<Series>, QueryError> {
        for one in &mut series {
            one.histograms.clear();
            for (step, v) in one.floats.iter_mut().enumerate().filter(|(_, v)| is_present(**v)) {
                *v = function(step, *v);
            }
            self.mark_name_dropped(one);
        }
        self.finish(series)
    }

    fn map_histograms(
        &mut self,
        arg: &Expr,
        function: fn(&model::FloatHistogram) -> f64,
    ) -> Result<Vec<Series>, QueryError> {
        let mut series = self.eval_vector(arg)?;
        for one in &mut series {
            let histograms = std::mem::take(&mut one.histograms);
            one.floats.clear();
            for (step, h) in histograms {
                one.set_float(step as usize, function(&h), self.steps.count);
            }
            // Unlike elsewhere, type and unit stay.
            if !self.query.options.delayed_name_removal {
                one.labels = one.labels.without_name();
            }
            one.drop_name = true;
        }
        self.finish(series)
    }

    fn eval_clamp(&mut self, name: &str, args: &[Expr]) -> Result<Vec<Series>, QueryError> {
        let series = self.eval_vector(&args[0])?;
        let limit = self.eval_scalar(&args[1])?;
        let (min, max) = match name {
            "clamp_min" => (limit, vec![f64::INFINITY; self.steps.count]),
            "clamp_max" => (vec![f64::NEG_INFINITY; self.steps.count], limit),
            _ => (limit, self.eval_scalar(&args[2])?),
        };
        self.map_floats(
            series,
            |step, v| if max[step] < min[step] { stale_nan() } else { clamp(v, min[step], max[step]) },
        )
    }

    fn eval_scalar_function(&mut self, arg: &Expr) -> Result<Evaluated, QueryError> {
        let series = self.eval_vector(arg)?;
        let column = (0..self.steps.count)
            .map(|step| {
                let mut floats = series.iter().filter_map(|s| s.float(step));
                match (floats.next(), floats.next()) {
                    (Some(only), None) => only,
                    _ => f64::NAN,
                }
            })
            .collect();
        Ok(Evaluated::Scalar(column))
    }

    fn check_quantiles(&mut self, column: &[f64], arg: &Expr) {
        for q in column.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
            self.notes.add(Notice::InvalidQuantile(*q).at(arg.span().start));
        }
    }

    /// Answers questions about the histograms of a vector; a label may tell the answers apart.
    fn ask_histograms(
        &mut self,
        input: &[Series],
        arg: &Expr,
        questions: &[Question<'_>],
        marks: &[Option<(&str, String)>],
    ) -> Result<Vec<Series>, QueryError> {
        let names_metric = self.query.options.delayed_name_removal;
        let histograms = Histograms::new(input, selector_span(arg), names_metric);
        histograms.note_bad_buckets(&mut self.notes);
        let steps = self.steps;
        let mut result = Vec::new();
        for (question, mark) in questions.iter().zip(marks) {
            for mut one in histograms.answer(question, steps.count, |s| steps.at(s), &mut self.notes) {
                self.mark_name_dropped(&mut one);
                if let Some((name, value)) = mark {
                    let mut labels = one.labels.to_builder();
                    labels.set(name, value);
                    one.labels = labels.build();
                }
                result.push(one);
            }
        }
        self.finish(result)
    }

    fn eval_histogram_quantiles(&mut self, args: &[Expr]) -> Result<Vec<Series>, QueryError> {
        let input = self.eval_vector(&args[0])?;
        let label = text_of(&args[1]);
        let mut columns = Vec::new();
        for arg in &args[2..] {
            let column = self.eval_scalar(arg)?;
            self.check_quantiles(&column, arg);
            columns.push(column);
        }
        // The label's value follows the quantile, which may change from step to step.
        let mut result = Vec::new();
        for column in &columns {
            let mut values: Vec<f64> = Vec::new();
            for q in column {
                if !values.iter().any(|v| v.to_bits() == q.to_bits()) {
                    values.push(*q);
                }
            }
            for value in values {
                let mark = [Some((label, format_quantile(value)))];
                let answers = self.ask_histograms(&input, &args[0], &[Question::Quantile(column)], &mark)?;
                for mut one in answers {
                    one.retain_steps(|step| column[step].to_bits() == value.to_bits());
                    result.push(one);
                }
            }
        }
        self.finish(result)
    }

    fn eval_sort(&mut self, call: &Call) -> Result<Vec<Series>, QueryError> {
        let by_label = call.func.name.starts_with("sort_by_label");
        let descending = call.func.name.ends_with("_desc");
        if !self.steps.is_instant() {
            self.notes.add(Notice::SortInRangeQuery.at(call.span.start));
        }
        let mut series = self.eval_vector(&call.args[0])?;
        if by_label {
            let names: Vec<&str> = call.args[1..].iter().map(text_of).collect();
            if self.steps.is_instant() {
                sort_by_labels(&mut series, &names, descending);
            }
        } else {
            series.iter_mut().for_each(|s| s.histograms.clear());
            series.retain(|s| !s.is_empty());
            if self.steps.is_instant() {
                sort_by_value(&mut series, descending);
            }
        }
        Ok(series)
    }

    fn eval_timestamp(&mut self, call: &Call) -> Result<Vec<Series>, QueryError> {
        let start_times = call.func.name == "start_timestamp";
        let mut series = match &call.args[0] {
            Expr::Vector(selector) if start_times && !self.query.options.use_start_timestamps => {
                self.eval_sample_times(selector, true)?;
                Vec::new()
            }
            Expr::Vector(selector) => self.eval_sample_times(selector, start_times)?,
            other => {
                let input = self.eval_vector(other)?;
                if start_times { Vec::new() } else { self.step_times(input) }
            }
        };
        for one in &mut series {
            self.mark_name_dropped(one);
        }
        self.finish(series)
    }

    /// Values of an expression have the time of the step.
    fn step_times(&self, mut series: Vec<Series>) -> Vec<Series> {
        for one in &mut series {
            let present: Vec<usize> = (0..self.steps.count).filter(|s| one.is_present_at(*s)).collect();
            one.histograms.clear();
            for step in present {
                one.set_float(step, self.steps.at(step) as f64 / 1000.0, self.steps.count);
            }
        }
        series
    }
}
