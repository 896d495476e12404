//! Pipelines: fields, methods, variables, constants and calls.

use super::{At, Cell, Outcome, State, builtin};
use crate::funcs::Function;
use crate::parse::{Command, Expr, Number, Pipe};
use crate::set::MissingKey;
use crate::types::{IntKind, Type};
use crate::value::{Map, Shape, Value};

impl<'a> State<'a> {
    /// The value of a pipeline; declared variables are pushed and stay.
    pub(super) fn pipeline(&mut self, dot: &Cell, pipe: &'a Pipe) -> Outcome<Cell> {
        self.at = At::Pipe(pipe);
        let mut result: Option<Cell> = None;
        for command in &pipe.cmds {
            let mut cell = self.command(dot, command, result.take())?;
            // One level of interface is looked through between commands.
            cell.interface = false;
            result = Some(cell);
        }
        let cell = result.unwrap_or(Cell::plain(Value::Nil));
        for variable in &pipe.decl {
            if pipe.is_assign {
                self.assign(&variable.idents[0], cell.clone())?;
            } else {
                self.vars.push((&variable.idents[0], cell.clone()));
            }
        }
        Ok(cell)
    }

    pub(super) fn assign(&mut self, name: &str, cell: Cell) -> Outcome<()> {
        match self.vars.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, slot)) => {
                *slot = cell;
                Ok(())
            }
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    fn command(&mut self, dot: &Cell, command: &'a Command, last: Option<Cell>) -> Outcome<Cell> {
        self.step()?;
        let first = &command.args[0];
        let args = &command.args[1..];
        match first {
            Expr::Field { idents, .. } => {
                self.at = At::Expr(first);
                self.field_chain(dot, dot.clone(), first, idents, args, last)
            }
            Expr::Chain { node, fields, .. } => {
                self.at = At::Expr(first);
                if matches!(**node, Expr::Nil { .. }) {
                    return self.fail("indirection through explicit nil in ".to_owned() + &first.to_string());
                }
                let receiver = self.arg(dot, &Type::Any, node)?;
                self.field_chain(dot, receiver, first, fields, args, last)
            }
            Expr::Identifier { name, .. } => self.function(dot, name, first, At::Command(command), args, last),
            Expr::Pipe(pipe) => {
                self.refuse_args(command, &last)?;
                self.pipeline(dot, pipe)
            }
            Expr::Variable(variable) => {
                self.at = At::Expr(first);
                let cell = self.variable(&variable.idents[0])?;
                if variable.idents.len() == 1 {
                    self.refuse_args(command, &last)?;
                    return Ok(cell);
                }
                self.field_chain(dot, cell, first, &variable.idents[1..], args, last)
            }
            _ => {
                self.at = At::Expr(first);
                self.refuse_args(command, &last)?;
                match first {
                    Expr::Bool { value, .. } => Ok(Cell::plain(Value::Bool(*value))),
                    Expr::Dot { .. } => Ok(dot.clone()),
                    Expr::Number(number) => self.constant(number).map(Cell::plain),
                    Expr::Str { text, .. } => Ok(Cell::plain(Value::Str(text.clone()))),
                    _ => self.fail("nil is not a command"),
                }
            }
        }
    }

    fn refuse_args(&self, command: &Command, last: &Option<Cell>) -> Outcome<()> {
        if command.args.len() > 1 || last.is_some() {
            return self.fail(format!("can't give argument to non-function {}", command.args[0]));
        }
        Ok(())
    }

    fn variable(&self, name: &str) -> Outcome<Cell> {
        match self.vars.iter().rev().find(|(known, _)| *known == name) {
            Some((_, cell)) => Ok(cell.clone()),
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    /// A constant where no type is asked for: its spelling decides.
    fn constant(&self, number: &Number) -> Outcome<Value> {
        if let Some((re, im)) = number.complex {
            return Ok(Value::Complex(re, im));
        }
        if number.looks_like_float()
            && let Some(float) = number.float
        {
            return Ok(Value::Float(float));
        }
        match number.int {
            Some(int) => Ok(Value::int(int)),
            None => self.fail(format!("{} overflows int", number.text)),
        }
    }

    /// `.X.Y.Z args`: only the last may take arguments.
    fn field_chain(
        &mut self,
        dot: &Cell,
        mut receiver: Cell,
        node: &'a Expr,
        idents: &[String],
        args: &'a [Expr],
        last: Option<Cell>,
    ) -> Outcome<Cell> {
        let (end, start) = idents.split_last().expect("a field has at least one name");
        for ident in start {
            receiver = self.field(dot, ident, node, &[], None, receiver)?;
        }
        self.field(dot, end, node, args, last, receiver)
    }

    fn field(
        &mut self,
        dot: &Cell,
        name: &str,
        node: &'a Expr,
        args: &'a [Expr],
        last: Option<Cell>,
        receiver: Cell,
    ) -> Outcome<Cell> {
        if matches!(receiver.value, Value::Nil) {
            if receiver.interface {
                return self.fail(format!("nil pointer evaluating interface {{}}.{name}"));
            }
            if self.missing_key == MissingKey::Error {
                return self.fail(format!("nil data; no entry for key {}", model::float::go_quote(name)));
            }
            return Ok(Cell::plain(Value::Nil));
        }
        let has_args = !args.is_empty() || last.is_some();
        let method = match &receiver.value {
            Value::Time(time) => crate::time::methods::time_method(*time, name),
            Value::Duration(duration) => crate::time::methods::duration_method(*duration, name),
            Value::Constant(constant) if name == "String" => {
                let text = constant.text;
                Some(Function::new([], move |_, _| Ok(Value::from(text))))
            }
            Value::Object(object) => object.method(name),
            _ => None,
        };
        if let Some(method) = method {
            return self.call(dot, &method, At::Expr(node), name, args, last);
        }
        match &receiver.value {
            Value::Map(map) => return self.map_field(map, name, has_args),
            Value::Object(object) => {
                if let Some(field) = object.field(name) {
                    if has_args {
                        return self.fail(format!("{name} has arguments but cannot be invoked as function"));
                    }
                    return Ok(Cell { value: field.value, interface: field.interface });
                }
                if let Shape::Map(map) = object.shape() {
                    return self.map_field(&map, name, has_args);
                }
            }
            _ => {}
        }
        self.fail(format!("can't evaluate field {name} in type {}", receiver.type_name()))
    }

    fn map_field(&self, map: &Map, name: &str, has_args: bool) -> Outcome<Cell> {
        if has_args {
            return self.fail(format!("{name} is not a method but has arguments"));
        }
        let interface = *map.element() == Type::Interface;
        if let Some(value) = map.entries().get(&crate::Text::from(name)) {
            return Ok(Cell { value: value.clone(), interface });
        }
        match self.missing_key {
            MissingKey::Invalid => Ok(Cell::plain(Value::Nil)),
            MissingKey::Zero => Ok(Cell { value: Value::zero(map.element()), interface }),
            MissingKey::Error => self.fail(format!("map has no entry for key {}", model::float::go_quote(name))),
        }
    }

    fn function(
        &mut self,
        dot: &Cell,
        name: &str,
        node: &'a Expr,
        at: At<'a>,
        args: &'a [Expr],
        last: Option<Cell>,
    ) -> Outcome<Cell> {
        self.at = At::Expr(node);
        if let Some(function) = self.funcs.get(name) {
            return self.call(dot, function, at, name, args, last);
        }
        if matches!(name, "and" | "or") {
            return self.short_circuit(dot, name, args, last);
        }
        if name == "call" {
            let callee = args.first().map_or_else(String::new, ToString::to_string);
            let function =
                Function::variadic([Type::Any], Type::Any, move |call, args| builtin::call(&callee, call, args));
            return self.call(dot, &function, at, name, args, last);
        }
        match builtin::get(name).or_else(|| crate::html::escaper(name)) {
            Some(function) => self.call(dot, function, at, name, args, last),
            None => self.fail(format!("{} is not a defined function", model::float::go_quote(name))),
        }
    }

    /// `and` and `or` evaluate no further than needed.
    fn short_circuit(&mut self, dot: &Cell, name: &str, args: &'a [Expr], last: Option<Cell>) -> Outcome<Cell> {
        if args.is_empty() && last.is_none() {
            return self.fail(format!("wrong number of args for {name}: want at least 1 got 0"));
        }
        let mut result = Cell::plain(Value::Nil);
        for arg in args {
            result = self.arg(dot, &Type::Any, arg)?;
            if result.value.is_true() == (name == "or") {
                return Ok(result);
            }
        }
        Ok(last.unwrap_or(result))
    }

    fn call(
        &mut self,
        dot: &Cell,
        function: &Function,
        at: At<'a>,
        name: &str,
        args: &'a [Expr],
        last: Option<Cell>,
    ) -> Outcome<Cell> {
        let given = args.len() + usize::from(last.is_some());
        let fixed = function.params.len();
        if function.variadic.is_some() {
            if given < fixed {
                return self.fail(format!("wrong number of args for {name}: want at least {fixed} got {}", args.len()));
            }
        } else if given != fixed {
            return self.fail(format!("wrong number of args for {name}: want {fixed} got {given}"));
        }
        let param = |i: usize| {
            function.params.get(i).or(function.variadic.as_ref()).expect("the number of arguments was checked above")
        };
        let mut values = Vec::with_capacity(given);
        for (i, arg) in args.iter().enumerate() {
            values.push(self.arg(dot, param(i), arg)?.value);
        }
        if let Some(last) = last {
            let position = values.len();
            values.push(self.validate(last, param(position))?.value);
        }
        match (function.body)(&self.call_context(), &values) {
            Ok(value) => {
                self.charge(&value)?;
                Ok(Cell::plain(value))
            }
            Err(message) => {
                self.at = at;
                let limit = message == crate::funcs::OVER_BUDGET;
                Err(self.error_at(format!("error calling {name}: {message}"), limit))
            }
        }
    }

    /// One argument, of the type that the parameter asks for.
    fn arg(&mut self, dot: &Cell, to: &Type, arg: &'a Expr) -> Outcome<Cell> {
        self.at = At::Expr(arg);
        let cell = match arg {
            Expr::Dot { .. } => dot.clone(),
            Expr::Nil { .. } => {
                if to.can_be_nil() {
                    return Ok(Cell::plain(Value::zero(to)));
                }
                return self.fail(format!("cannot assign nil to {to}"));
            }
            Expr::Field { idents, .. } => self.field_chain(dot, dot.clone(), arg, idents, &[], None)?,
            Expr::Variable(variable) => {
                let cell = self.variable(&variable.idents[0])?;
                match &variable.idents[1..] {
                    [] => cell,
                    idents => self.field_chain(dot, cell, arg, idents, &[], None)?,
                }
            }
            Expr::Pipe(pipe) => self.pipeline(dot, pipe)?,
            Expr::Identifier { name, .. } => self.function(dot, name, arg, At::Expr(arg), &[], None)?,
            Expr::Chain { node, fields, .. } => {
                if matches!(**node, Expr::Nil { .. }) {
                    return self.fail("indirection through explicit nil in ".to_owned() + &arg.to_string());
                }
                let receiver = self.arg(dot, &Type::Any, node)?;
                self.field_chain(dot, receiver, arg, fields, &[], None)?
            }
            Expr::Bool { .. } | Expr::Number(_) | Expr::Str { .. } => {
                return self.constant_arg(to, arg).map(Cell::plain);
            }
        };
        self.validate(cell, to)
    }

    /// A constant takes the type that is asked for, where it can.
    fn constant_arg(&mut self, to: &Type, arg: &Expr) -> Outcome<Value> {
        let expected = match (to, arg) {
            (Type::Interface | Type::Any, Expr::Bool { value, .. }) => return Ok(Value::Bool(*value)),
            (Type::Interface | Type::Any, Expr::Str { text, .. }) => return Ok(Value::Str(text.clone())),
            (Type::Interface | Type::Any, Expr::Number(number)) => return self.constant(number),
            (Type::Bool, Expr::Bool { value, .. }) => return Ok(Value::Bool(*value)),
            (Type::Bool, _) => "bool",
            (Type::String, Expr::Str { text, .. }) => return Ok(Value::Str(text.clone())),
            (Type::Safe(kind), Expr::Str { text, .. }) => return Ok(Value::Safe(*kind, text.clone())),
            (Type::String | Type::Safe(_), _) => "string",
            (Type::Int(kind), Expr::Number(Number { int: Some(int), .. })) => {
                let fits = *kind != IntKind::Int32 || i32::try_from(*int).is_ok();
                return Ok(Value::Int(if fits { *int } else { *int as i32 as i64 }, *kind));
            }
            (Type::Duration, Expr::Number(Number { int: Some(int), .. })) => return Ok(Value::Duration(*int)),
            (Type::Int(_) | Type::Duration, _) => "integer",
            (Type::Uint(kind), Expr::Number(Number { uint: Some(uint), .. })) => return Ok(Value::Uint(*uint, *kind)),
            (Type::Uint(_), _) => "unsigned integer",
            (Type::Float, Expr::Number(Number { float: Some(float), .. })) => return Ok(Value::Float(*float)),
            (Type::Float, _) => "float",
            (Type::Complex, Expr::Number(Number { complex: Some((re, im)), .. })) => {
                return Ok(Value::Complex(*re, *im));
            }
            (Type::Complex, _) => "complex",
            _ => return self.fail(format!("can't handle {arg} for arg of type {to}")),
        };
        self.fail(format!("expected {expected}; found {arg}"))
    }

    fn validate(&self, cell: Cell, to: &Type) -> Outcome<Cell> {
        if matches!(cell.value, Value::Nil) {
            // A nil interface is a value of its own type, and only fits where any value does.
            if cell.interface && !matches!(to, Type::Interface | Type::Any) {
                return self.fail(format!("wrong type for value; expected {to}; got interface {{}}"));
            }
            if !to.can_be_nil() {
                return self.fail(format!("invalid value; expected {to}"));
            }
            return Ok(match to {
                Type::Any => cell,
                to => Cell::plain(Value::zero(to)),
            });
        }
        if cell.value.is_assignable(to) {
            // Functions of `interface {}` see the value; Go's own functions see the interface too.
            return Ok(match to {
                Type::Any => cell,
                _ => Cell::plain(cell.value),
            });
        }
        self.fail(format!("wrong type for value; expected {to}; got {}", cell.value.type_name()))
    }
}
