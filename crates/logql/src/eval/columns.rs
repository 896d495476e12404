//! Pages that have the fields of their lines apart: label filters, names of series and unwrapped values come from columns, and
//! lines are not read at all. Wherever a value is not plainly what the query wants, the page is left to the line by line way.

use std::borrow::Cow;
use std::sync::Arc;

use model::{ABSENT, Column, FieldColumn, LineFormat, LogPage, NumberColumn};

use super::group::{GroupBy, Table};
use super::pages::{Metadata, Picked, text_at};
use super::shape::Simple;
use crate::error::QueryError;
use crate::pipeline::{
    CompiledLabelFilter, CompiledSearch, ERROR, FieldCondition, SearchNode, StreamLabels, ValueTest, Verdict,
};
use crate::syntax::ast::{Comparison, Conversion, Unwrap};
use crate::units;

/// Where the values of a label come from, in one page.
pub(crate) enum Values<'m> {
    /// The same in every line.
    Constant(Option<String>),
    /// A field.
    Field(Arc<Column>),
    /// A field of numbers, in every line.
    Numbers(NumberColumn),
    /// Structured metadata.
    Metadata(&'m Column),
}

/// A look at [`Values`].
enum Look<'v> {
    Constant(Option<&'v str>),
    Column(&'v Column),
    Numbers(&'v NumberColumn),
}

impl Values<'_> {
    fn look(&self) -> Look<'_> {
        match self {
            Values::Constant(value) => Look::Constant(value.as_deref()),
            Values::Field(column) => Look::Column(column),
            Values::Numbers(numbers) => Look::Numbers(numbers),
            Values::Metadata(column) => Look::Column(column),
        }
    }

    /// True for a column of plain numbers.
    fn numbers(&self) -> bool {
        match self.look() {
            Look::Numbers(numbers) => numbers.number(0).is_some(),
            Look::Column(column) => matches!(column, Column::Integers { .. } | Column::Floats { .. }),
            Look::Constant(_) => false,
        }
    }

    fn number(&self, place: usize) -> Option<f64> {
        let is_there = |present: &Option<Vec<bool>>| present.as_ref().is_none_or(|present| present[place]);
        match self.look() {
            // What is too large to be told exactly is read from its text.
            Look::Numbers(numbers) => numbers.number(numbers.values[place]).or_else(|| self.at(place)?.parse().ok()),
            Look::Column(Column::Integers { values, present }) if is_there(present) => Some(values[place] as f64),
            Look::Column(Column::Floats { values, present }) if is_there(present) => Some(values[place]),
            _ => None,
        }
    }

    fn at(&self, place: usize) -> Option<Cow<'_, str>> {
        match self.look() {
            Look::Constant(value) => value.map(Cow::Borrowed),
            Look::Column(column) => text_at(column, place),
            Look::Numbers(numbers) => {
                let mut text = String::new();
                numbers.write(numbers.values[place], &mut text);
                Some(Cow::Owned(text))
            }
        }
    }
}

/// A page as columns see it.
pub(crate) struct Columns<'p> {
    pub(crate) page: &'p dyn LogPage,
    pub(crate) stream: &'p StreamLabels,
    pub(crate) metadata: &'p Metadata<'p>,
    pub(crate) parser: Option<LineFormat>,
}

impl<'p> Columns<'p> {
    /// True where the parser meets an error in every line.
    pub(crate) fn all_fail(&self) -> bool {
        self.parser.is_some_and(|format| self.page.is_none(format))
    }

    /// Where a label comes from; `None` where only running the pipeline tells.
    fn values(&self, name: &str) -> Result<Option<Values<'p>>, QueryError> {
        if let Some(value) = self.stream.labels.get(name) {
            return Ok(Some(Values::Constant(Some(value.to_owned()))));
        }
        // No line has an error, or every line the same one: the page says so, and whoever finds another one gives up.
        match name {
            ERROR if self.all_fail() => {
                return Ok(Some(Values::Constant(Some(crate::pipeline::JSON_ERROR.to_owned()))));
            }
            "__error_details__" if self.all_fail() => return Ok(None),
            ERROR | "__error_details__" => return Ok(Some(Values::Constant(None))),
            name if name.ends_with("_extracted") => return Ok(None),
            _ => {}
        }
        Ok(match (self.parser, self.metadata.column(name)?) {
            (None, Some(column)) => Some(Values::Metadata(column)),
            (None, None) => Some(Values::Constant(None)),
            (Some(_), Some(_)) => None,
            (Some(_), None) if self.all_fail() => Some(Values::Constant(None)),
            (Some(format), None) => self.page.field(format, name)?.map(|field| match field {
                FieldColumn::Values(column) => Values::Field(column),
                FieldColumn::Numbers(numbers) => Values::Numbers(numbers),
            }),
        })
    }

    /// True where a label can be in no line of the page.
    pub(crate) fn is_absent(&self, name: &str) -> Result<bool, QueryError> {
        Ok(matches!(self.values(name)?, Some(Values::Constant(None))))
    }

    /// The lines that pass the label filters; `None` where only running the pipeline tells.
    pub(crate) fn pick(&self, simple: &Simple, picked: Picked) -> Result<Option<Picked>, QueryError> {
        let mut picked = picked;
        let filters = simple.filters.iter().map(|filter| self.test(filter));
        let searches = simple.searches.iter().map(|search| self.search(&search.node, search));
        for test in filters.chain(searches) {
            let Some(test) = test? else { return Ok(None) };
            if let Test::Number { values, divisor, op, wanted } = &test {
                picked = picked.retain(|place| op.holds(values.values[place] as f64 / divisor, *wanted));
                continue;
            }
            let mut is_unsure = false;
            picked = picked.retain(|place| {
                test.at(place).unwrap_or_else(|| {
                    is_unsure = true;
                    true
                })
            });
            if is_unsure {
                return Ok(None);
            }
        }
        Ok(Some(picked))
    }

    fn test<'f>(&self, filter: &'f CompiledLabelFilter) -> Result<Option<Test<'f, 'p>>, QueryError> {
        if let CompiledLabelFilter::And(left, right) | CompiledLabelFilter::Or(left, right) = filter {
            let (Some(left), Some(right)) = (self.test(left)?, self.test(right)?) else { return Ok(None) };
            let (left, right) = (Box::new(left), Box::new(right));
            return Ok(Some(match filter {
                CompiledLabelFilter::And(..) => Test::And(left, right),
                _ => Test::Or(left, right),
            }));
        }
        let Some(values) = filter.name().map(|name| self.values(name)).transpose()?.flatten() else { return Ok(None) };
        let decide = |value: Option<&str>| match filter.verdict(value) {
            Verdict::Is(passes) => Some(passes),
            Verdict::Error(_) => None,
        };
        Ok(Some(match values.look() {
            Look::Constant(value) => Test::Same(decide(value)),
            Look::Column(Column::Dictionary { values: texts, .. }) => {
                let by_code = texts.iter().map(|text| decide(Some(text))).collect();
                Test::ByCode { by_code, absent: decide(None), values }
            }
            _ => match (filter, values) {
                (CompiledLabelFilter::Number(_, op, wanted), Values::Numbers(values)) if divisor(&values).is_some() => {
                    let divisor = divisor(&values).unwrap_or(1.0);
                    Test::Number { values, divisor, op: *op, wanted: *wanted }
                }
                (filter, values) => Test::Each { filter, values },
            },
        }))
    }

    /// A search over the page; `None` where lines must be read.
    fn search<'f>(&self, node: &'f SearchNode, search: &'f CompiledSearch) -> Result<Option<Test<'f, 'p>>, QueryError> {
        let each = |all: &'f [SearchNode]| {
            all.iter().map(|node| self.search(node, search)).collect::<Result<Option<Vec<_>>, _>>()
        };
        Ok(match node {
            SearchNode::All => Some(Test::Same(Some(true))),
            SearchNode::And(all) => each(all)?.map(Test::All),
            SearchNode::Or(all) => each(all)?.map(Test::Any),
            SearchNode::Not(inner) => self.search(inner, search)?.map(|inner| Test::Not(Box::new(inner))),
            SearchNode::Text(_) => None,
            SearchNode::Field(place) => self.condition(&search.conditions[*place])?,
        })
    }

    /// A condition on a field, wherever the page has it.
    fn condition<'f>(&self, condition: &'f FieldCondition) -> Result<Option<Test<'f, 'p>>, QueryError> {
        let Some(names) = condition.names() else { return Ok(None) };
        let format = [LineFormat::Json, LineFormat::Logfmt].into_iter().find(|format| self.page.is_all(*format));
        let Some(format) = format else { return Ok(None) };
        let mut places = Vec::new();
        for name in names {
            match (self.stream.labels.get(name), self.metadata.column(name)?) {
                (Some(value), _) => places.push(Values::Constant(Some(value.to_owned()))),
                (None, Some(column)) => places.push(Values::Metadata(column)),
                (None, None) => {}
            }
            match self.page.field(format, name)? {
                Some(FieldColumn::Values(column)) => places.push(Values::Field(column)),
                Some(FieldColumn::Numbers(numbers)) => places.push(Values::Numbers(numbers)),
                None => return Ok(None),
            }
        }
        let test = &condition.test;
        let tests = places.into_iter().map(|values| match values.look() {
            Look::Constant(value) => Test::Same(Some(value.is_some_and(|value| test.is_met(value)))),
            Look::Column(Column::Dictionary { values: texts, .. }) => {
                let by_code = texts.iter().map(|text| Some(test.is_met(text))).collect();
                Test::ByCode { by_code, absent: Some(false), values }
            }
            _ => Test::Value { test, values },
        });
        Ok(Some(Test::Any(tests.collect())))
    }

    /// The series of each line, as a function of its place; `None` where only running the pipeline tells.
    pub(crate) fn series(&self, group: &GroupBy) -> Result<Option<Series<'p>>, QueryError> {
        let Some(names) = group.names() else { return Ok(None) };
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let Some(values) = self.values(name)? else { return Ok(None) };
            columns.push((name.clone(), values));
        }
        // Up to so many series are looked up by the codes of their values.
        const MOST_CODES: usize = 1 << 16;
        let sizes = columns.iter().map(|(_, values)| match values.look() {
            Look::Constant(_) => Some(1),
            Look::Column(Column::Dictionary { values, .. }) => Some(values.len() + 1),
            _ => None,
        });
        let codes = sizes.product::<Option<usize>>().filter(|codes| *codes <= MOST_CODES);
        Ok(Some(Series { columns, known: vec![u32::MAX; codes.unwrap_or(0)], numbers: None }))
    }

    /// Gives the value of every picked line to `add`; false where only running the pipeline tells.
    pub(crate) fn unwrap(
        &self,
        unwrap: &Unwrap,
        picked: &Picked,
        mut add: impl FnMut(usize, f64) -> Result<(), QueryError>,
    ) -> Result<bool, QueryError> {
        let Some(values) = self.values(&unwrap.label)? else { return Ok(false) };
        let convert = |text: &str| convert(unwrap.conversion, text).ok();
        // All values are converted before the first is added: the page is answered as a whole or not at all.
        match values.look() {
            Look::Constant(None | Some("")) => {}
            Look::Constant(Some(text)) => {
                let Some(value) = convert(text) else { return Ok(false) };
                picked.iter().try_for_each(|place| add(place, value))?;
            }
            Look::Numbers(numbers) if unwrap.conversion.is_none() && divisor(numbers).is_some() => {
                let divisor = divisor(numbers).unwrap_or(1.0);
                picked.iter().try_for_each(|place| add(place, numbers.values[place] as f64 / divisor))?;
            }
            Look::Column(Column::Integers { values, present }) if unwrap.conversion.is_none() => {
                let is_present = |place: usize| present.as_ref().is_none_or(|present| present[place]);
                let mut places = picked.iter().filter(|place| is_present(*place));
                places.try_for_each(|place| add(place, values[place] as f64))?;
            }
            Look::Column(Column::Floats { values, present }) if unwrap.conversion.is_none() => {
                let is_present = |place: usize| present.as_ref().is_none_or(|present| present[place]);
                let mut places = picked.iter().filter(|place| is_present(*place));
                places.try_for_each(|place| add(place, values[place]))?;
            }
            Look::Column(Column::Dictionary { values, codes }) => {
                let converted: Vec<Option<f64>> = values.iter().map(|text| convert(text)).collect();
                let is_text = |place: &usize| codes[*place] != ABSENT && !values[codes[*place] as usize].is_empty();
                if picked.iter().filter(is_text).any(|place| converted[codes[place] as usize].is_none()) {
                    return Ok(false);
                }
                for place in picked.iter().filter(is_text) {
                    add(place, converted[codes[place] as usize].unwrap_or(f64::NAN))?;
                }
            }
            _ => {
                let mut all = Vec::with_capacity(picked.len());
                for place in picked.iter() {
                    match values.at(place).filter(|text| !text.is_empty()).map(|text| convert(&text)) {
                        None => {}
                        Some(None) => return Ok(false),
                        Some(Some(value)) => all.push((place, value)),
                    }
                }
                all.into_iter().try_for_each(|(place, value)| add(place, value))?;
            }
        }
        Ok(true)
    }
}

/// What the numbers of a column are to be divided by, where that gives exactly what their texts read as.
fn divisor(numbers: &NumberColumn) -> Option<f64> {
    const EXACT: u64 = 1 << 53;
    let is_plain = numbers.prefix.is_empty() && numbers.suffix.is_empty() && numbers.style.scale() <= 22;
    let is_exact = is_plain && numbers.values.iter().all(|value| value.unsigned_abs() <= EXACT);
    is_exact.then(|| 10_f64.powi(i32::from(numbers.style.scale())))
}

/// An unwrapped value. The error is Go's.
pub(crate) fn convert(conversion: Option<Conversion>, text: &str) -> Result<f64, String> {
    match conversion {
        None => units::number(text),
        Some(Conversion::Bytes) => units::bytes(text).map(|bytes| bytes as f64),
        Some(Conversion::Duration | Conversion::DurationSeconds) => units::duration(text).map(units::seconds),
    }
}

/// A label filter over a page.
enum Test<'f, 'm> {
    Same(Option<bool>),
    ByCode {
        by_code: Vec<Option<bool>>,
        absent: Option<bool>,
        values: Values<'m>,
    },
    Number {
        values: NumberColumn,
        divisor: f64,
        op: Comparison,
        wanted: f64,
    },
    Each {
        filter: &'f CompiledLabelFilter,
        values: Values<'m>,
    },
    /// A search's, which is never unsure.
    Value {
        test: &'f ValueTest,
        values: Values<'m>,
    },
    Not(Box<Test<'f, 'm>>),
    All(Vec<Test<'f, 'm>>),
    Any(Vec<Test<'f, 'm>>),
    And(Box<Test<'f, 'm>>, Box<Test<'f, 'm>>),
    Or(Box<Test<'f, 'm>>, Box<Test<'f, 'm>>),
}

impl Test<'_, '_> {
    /// What the filter says of a line; `None` where its value is not what it is compared with.
    fn at(&self, place: usize) -> Option<bool> {
        match self {
            Test::Same(passes) => *passes,
            Test::ByCode { by_code, absent, values } => match values.look() {
                Look::Column(Column::Dictionary { codes, .. }) if codes[place] == ABSENT => *absent,
                Look::Column(Column::Dictionary { codes, .. }) => by_code[codes[place] as usize],
                _ => None,
            },
            Test::Number { values, divisor, op, wanted } => {
                Some(op.holds(values.values[place] as f64 / divisor, *wanted))
            }
            Test::Each { filter, values } => {
                let number = match (filter, values.look()) {
                    (CompiledLabelFilter::Number(..), Look::Numbers(numbers)) => numbers.number(numbers.values[place]),
                    (CompiledLabelFilter::Number(..), Look::Column(Column::Integers { values, present })) => {
                        present.as_ref().is_none_or(|present| present[place]).then(|| values[place] as f64)
                    }
                    (CompiledLabelFilter::Number(..), Look::Column(Column::Floats { values, present })) => {
                        present.as_ref().is_none_or(|present| present[place]).then(|| values[place])
                    }
                    _ => None,
                };
                if let (CompiledLabelFilter::Number(_, op, want), Some(number)) = (filter, number) {
                    return Some(op.holds(number, *want));
                }
                match filter.verdict(values.at(place).as_deref()) {
                    Verdict::Is(passes) => Some(passes),
                    Verdict::Error(_) => None,
                }
            }
            Test::Value { test: ValueTest::Number(op, want), values } if values.numbers() => {
                Some(values.number(place).is_some_and(|number| op.holds(number, *want)))
            }
            Test::Value { test, values } => Some(values.at(place).is_some_and(|value| test.is_met(&value))),
            Test::Not(inner) => inner.at(place).map(|holds| !holds),
            Test::All(all) => all.iter().try_fold(true, |so_far, test| Some(so_far && test.at(place)?)),
            Test::Any(all) => all.iter().try_fold(false, |so_far, test| Some(so_far || test.at(place)?)),
            Test::And(left, right) => Some(left.at(place)? & right.at(place)?),
            Test::Or(left, right) => Some(left.at(place)? || right.at(place)?),
        }
    }
}

/// The series of the lines of a page.
pub(crate) struct Series<'m> {
    columns: Vec<(String, Values<'m>)>,
    /// Series by the codes of their values, where there are few; `u32::MAX` where it has not been looked up.
    known: Vec<u32>,
    /// Where the table has the series of numbers that are written like those of the only column.
    numbers: Option<usize>,
}

impl Series<'_> {
    /// True where all lines of the page count for one series.
    pub(crate) fn is_one(&self) -> bool {
        self.columns.iter().all(|(_, values)| matches!(values, Values::Constant(_)))
    }

    /// Counts a line where the table counts numbers of the only column by themselves; false where it does not.
    pub(crate) fn count(&mut self, place: usize, table: &mut Table<'_>) -> Result<bool, QueryError> {
        let [(name, Values::Numbers(numbers))] = self.columns.as_slice() else { return Ok(false) };
        let list = *self.numbers.get_or_insert_with(|| table.numbered(name, numbers));
        table.count_number(list, numbers.values[place])
    }

    /// The series of the line at a place.
    pub(crate) fn at(&mut self, place: usize, table: &mut Table<'_>) -> Result<usize, QueryError> {
        if let [(name, Values::Numbers(numbers))] = self.columns.as_slice() {
            let list = *self.numbers.get_or_insert_with(|| table.numbered(name, numbers));
            let value = numbers.values[place];
            return match table.series_of_number(list, value) {
                Some(series) => Ok(series),
                None => {
                    let series = self.look_up(place, table)?;
                    table.note_series_of_number(list, value, series)?;
                    Ok(series)
                }
            };
        }
        if self.known.is_empty() {
            return self.look_up(place, table);
        }
        let code = self.columns.iter().fold(0, |code, (_, values)| match values.look() {
            Look::Column(Column::Dictionary { values, codes }) => {
                let own = if codes[place] == ABSENT { values.len() } else { codes[place] as usize };
                code * (values.len() + 1) + own
            }
            _ => code,
        });
        if self.known[code] == u32::MAX {
            self.known[code] = self.look_up(place, table)? as u32;
        }
        Ok(self.known[code] as usize)
    }

    fn look_up(&self, place: usize, table: &mut Table<'_>) -> Result<usize, QueryError> {
        let texts: Vec<Option<Cow<'_, str>>> = self.columns.iter().map(|(_, values)| values.at(place)).collect();
        let pairs =
            self.columns.iter().zip(&texts).filter_map(|((name, _), text)| Some((name.as_str(), text.as_deref()?)));
        table.find(pairs)
    }
}

/// True where a page can be asked for columns as a pipeline needs them.
pub(crate) fn has_columns(page: &dyn LogPage, parser: Option<LineFormat>) -> bool {
    parser.is_none_or(|format| page.is_all(format) || page.is_none(format))
}
