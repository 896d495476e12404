//! Functions that templates call: [`Function`] carries its parameter types, because Go checks arguments before the call,
//! and [`Funcs`] is the registry by name. The sets of the three matched systems live in the modules below.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::types::Type;
use crate::value::Value;

pub mod alertmanager;
mod args;
pub mod loki;
mod numbers;
pub mod prometheus;
mod regexp;
mod title;

/// What a function says where its result would not fit the budget of the execution.
pub(crate) const OVER_BUDGET: &str = "result exceeds the memory limit of the template";

/// What a function may know of the execution that calls it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    budget: usize,
}

impl Call {
    pub(crate) fn new(budget: usize) -> Self {
        Call { budget }
    }

    /// Bytes that the execution may still produce. A function whose result can be far larger than its arguments asks
    /// before it builds.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// Refuses a result of so many bytes where the budget does not hold it.
    pub fn reserve(&self, bytes: usize) -> Result<(), String> {
        if bytes > self.budget { Err(OVER_BUDGET.into()) } else { Ok(()) }
    }
}

type Body = dyn Fn(&Call, &[Value]) -> Result<Value, String> + Send + Sync;

/// A function with its parameter types.
#[derive(Clone)]
pub struct Function {
    pub(crate) params: Vec<Type>,
    pub(crate) variadic: Option<Type>,
    pub(crate) body: Arc<Body>,
}

impl Function {
    /// A function of fixed parameters. The body may rely on every argument being assignable to its parameter's type; an
    /// error becomes the template's error at the place of the call.
    pub fn new(
        params: impl Into<Vec<Type>>,
        body: impl Fn(&Call, &[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        Function { params: params.into(), variadic: None, body: Arc::new(body) }
    }

    /// A function that takes any number of further arguments of one type.
    pub fn variadic(
        params: impl Into<Vec<Type>>,
        rest: Type,
        body: impl Fn(&Call, &[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        Function { params: params.into(), variadic: Some(rest), body: Arc::new(body) }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("params", &self.params)
            .field("variadic", &self.variadic)
            .finish_non_exhaustive()
    }
}

/// Functions by name. Go's own (`len`, `printf`, `eq`, ...) are always there; an entry of the same name hides one.
#[derive(Clone, Debug, Default)]
pub struct Funcs(Arc<HashMap<String, Arc<Function>>>);

impl Funcs {
    /// No functions but Go's own.
    pub fn new() -> Self {
        Funcs::default()
    }

    /// Adds a function, or replaces the one of that name.
    pub fn insert(&mut self, name: &str, function: Function) {
        Arc::make_mut(&mut self.0).insert(name.to_owned(), Arc::new(function));
    }

    /// Adds all of `other`, which win over those that are here.
    pub fn extend(&mut self, other: &Funcs) {
        let own = Arc::make_mut(&mut self.0);
        for (name, function) in other.0.iter() {
            own.insert(name.clone(), function.clone());
        }
    }

    /// The function of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.0.get(name)
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}
