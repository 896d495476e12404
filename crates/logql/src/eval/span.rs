//! The values of a series by step: those from the first step that has one to the last.

use super::{ABSENT, is_absent};

/// Values of steps that follow each other; [`ABSENT`] where there is none between two, as before and after all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Span {
    first: usize,
    values: Vec<f64>,
}

impl Span {
    /// Values from the step `first` on.
    pub(crate) fn of(first: usize, mut values: Vec<f64>) -> Span {
        let end = values.iter().rposition(|value| !is_absent(*value)).map_or(0, |last| last + 1);
        values.truncate(end);
        let blank = values.iter().take_while(|value| is_absent(**value)).count();
        values.drain(..blank);
        values.shrink_to_fit();
        Span { first: first + blank, values }
    }

    /// The value of a step, or [`ABSENT`].
    pub(crate) fn at(&self, step: usize) -> f64 {
        step.checked_sub(self.first).and_then(|at| self.values.get(at)).copied().unwrap_or(ABSENT)
    }

    /// Steps with their values, where there is one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        (self.first..).zip(self.values.iter().copied()).filter(|(_, value)| !is_absent(*value))
    }

    /// Makes every value what `change` says of its step and itself.
    pub(crate) fn change(&mut self, mut change: impl FnMut(usize, f64) -> f64) {
        for (step, value) in (self.first..).zip(&mut self.values) {
            if !is_absent(*value) {
                *value = change(step, *value);
            }
        }
    }

    /// Gives a step a value. Cheap where steps ascend.
    pub(crate) fn set(&mut self, step: usize, value: f64) {
        if self.values.is_empty() {
            self.first = step;
        }
        if step < self.first {
            self.values.splice(..0, std::iter::repeat_n(ABSENT, self.first - step));
            self.first = step;
        }
        let at = step - self.first;
        if at >= self.values.len() {
            self.values.resize(at + 1, ABSENT);
        }
        self.values[at] = value;
    }

    /// True where no step has a value.
    pub(crate) fn is_blank(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Bytes that the values take.
    pub(crate) fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_values_is_kept() {
        let span = Span::of(10, vec![ABSENT, ABSENT, 1.0, ABSENT, f64::NAN, ABSENT]);
        assert_eq!(span.bytes(), 3 * size_of::<f64>());
        assert_eq!(span.iter().map(|(step, _)| step).collect::<Vec<_>>(), [12, 14]);
        assert!(span.at(12) == 1.0 && span.at(14).is_nan() && !is_absent(span.at(14)));
        assert!([0, 11, 13, 15, usize::MAX].iter().all(|step| is_absent(span.at(*step))));
        assert!(Span::of(3, vec![ABSENT; 4]).is_blank());

        let mut set = Span::default();
        for step in [7, 9, 5, 7] {
            set.set(step, step as f64);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [(5, 5.0), (7, 7.0), (9, 9.0)]);
        set.change(|step, value| if step == 7 { ABSENT } else { value + 1.0 });
        assert_eq!(set.iter().collect::<Vec<_>>(), [(5, 6.0), (9, 10.0)]);
    }
}
