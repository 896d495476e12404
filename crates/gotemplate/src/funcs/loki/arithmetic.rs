//! sprig's arithmetic: integers wrap, and `addf` and its kin compute in decimal, so that 0.1 and 0.2 make 0.3.

use super::super::{Funcs, Function};
use crate::types::{IntKind, Type};
use crate::value::Value;

/// What sprig takes for an integer (spf13/cast `ToInt64`): whatever is none is 0.
fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(v, _) | Value::Duration(v) => *v,
        Value::Uint(v, _) => *v as i64,
        Value::Float(v) => *v as i64,
        Value::Bool(v) => i64::from(*v),
        Value::Constant(constant) => constant.value,
        Value::Str(text) => parse_int(&text.lossy()),
        _ => 0,
    }
}

/// By the base that the prefix names; zeros after a point are dropped.
fn parse_int(text: &str) -> i64 {
    let text = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (base, digits) = match unsigned.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &unsigned[2..]),
        Some("0b") => (2, &unsigned[2..]),
        Some("0o") => (8, &unsigned[2..]),
        _ if unsigned.len() > 1 && unsigned.starts_with('0') => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if digits.starts_with(['+', '-']) {
        return 0;
    }
    let magnitude = i128::from_str_radix(digits, base).unwrap_or(0);
    i64::try_from(if negative { -magnitude } else { magnitude }).unwrap_or(0)
}

/// What sprig takes for a float.
fn to_float(value: &Value) -> f64 {
    match value {
        Value::Float(v) => *v,
        Value::Str(text) => model::float::parse_go(&text.lossy()).unwrap_or(0.0),
        Value::Uint(v, _) => *v as f64,
        value => to_int(value) as f64,
    }
}

fn int64(v: i64) -> Value {
    Value::Int(v, IntKind::Int64)
}

fn fold(first: &Value, rest: &[Value], step: fn(i64, i64) -> i64) -> Value {
    int64(rest.iter().map(to_int).fold(to_int(first), step))
}

pub(super) fn add(funcs: &mut Funcs) {
    let mut add = |name: &str, function: Function| funcs.insert(name, function);
    let any = || Type::Interface;
    add("int", Function::new([any()], |_, args| Ok(Value::int(to_int(&args[0])))));
    add("float64", Function::new([any()], |_, args| Ok(Value::Float(to_float(&args[0])))));
    add("add", Function::variadic([], any(), |_, args| Ok(int64(args.iter().map(to_int).fold(0, i64::wrapping_add)))));
    add("sub", Function::new([any(), any()], |_, args| Ok(int64(to_int(&args[0]).wrapping_sub(to_int(&args[1]))))));
    add("mul", Function::variadic([any()], any(), |_, args| Ok(fold(&args[0], &args[1..], i64::wrapping_mul))));
    for (name, operate) in [("div", i64::wrapping_div as fn(i64, i64) -> i64), ("mod", i64::wrapping_rem)] {
        add(
            name,
            Function::new([any(), any()], move |_, args| match to_int(&args[1]) {
                0 => Err("runtime error: integer divide by zero".into()),
                divisor => Ok(int64(operate(to_int(&args[0]), divisor))),
            }),
        );
    }
    add("max", Function::variadic([any()], any(), |_, args| Ok(fold(&args[0], &args[1..], i64::max))));
    add("min", Function::variadic([any()], any(), |_, args| Ok(fold(&args[0], &args[1..], i64::min))));
    for (name, pick) in [("maxf", f64::max as fn(f64, f64) -> f64), ("minf", f64::min)] {
        add(
            name,
            Function::variadic([any()], any(), move |_, args| {
                let values = args.iter().map(to_float);
                // Go's Max and Min pass NaN on, Rust's drop it.
                let nan = values.clone().any(f64::is_nan);
                Ok(Value::Float(if nan { f64::NAN } else { values.reduce(pick).unwrap_or(0.0) }))
            }),
        );
    }
    add("ceil", Function::new([any()], |_, args| Ok(Value::Float(to_float(&args[0]).ceil()))));
    add("floor", Function::new([any()], |_, args| Ok(Value::Float(to_float(&args[0]).floor()))));
    add(
        "round",
        Function::variadic([any(), Type::INT], Type::Float, |_, args| {
            let on = match args.get(2) {
                Some(Value::Float(on)) => *on,
                _ => 0.5,
            };
            let power = 10f64.powf(to_float(&args[1]));
            let digit = power * to_float(&args[0]);
            let rounded = if digit.fract() >= on { digit.ceil() } else { digit.floor() };
            Ok(Value::Float(rounded / power))
        }),
    );
    for (name, decimal, plain) in [
        ("addf", add_decimal as DecimalOp, (|a, b| a + b) as fn(f64, f64) -> f64),
        ("subf", subtract_decimal, |a, b| a - b),
        ("mulf", multiply_decimal, |a, b| a * b),
        ("divf", divide_decimal, |a, b| a / b),
    ] {
        add(
            name,
            Function::variadic([any()], any(), move |_, args| {
                let mut total = to_float(&args[0]);
                for arg in &args[1..] {
                    let next = to_float(arg);
                    if name == "divf" && next == 0.0 {
                        return Err("decimal division by 0".into());
                    }
                    total = decimal_operation(total, next, decimal).unwrap_or_else(|| plain(total, next));
                }
                Ok(Value::Float(total))
            }),
        );
    }
}

/// A decimal number: a whole number times a power of ten.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    exponent: i32,
}

type DecimalOp = fn(Decimal, Decimal) -> Option<Decimal>;

/// `None` where the numbers are too far apart for 128 bits; floats are as good there.
fn decimal_operation(a: f64, b: f64, operate: DecimalOp) -> Option<f64> {
    let result = operate(to_decimal(a)?, to_decimal(b)?)?;
    format!("{}e{}", result.digits, result.exponent).parse().ok()
}

fn to_decimal(v: f64) -> Option<Decimal> {
    if !v.is_finite() {
        return None;
    }
    let text = format!("{v:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let digits = mantissa.replace('.', "").parse().ok()?;
    Some(Decimal { digits, exponent: exponent.parse::<i32>().ok()? - fraction as i32 })
}

fn align(a: Decimal, b: Decimal) -> Option<(i128, i128, i32)> {
    let exponent = a.exponent.min(b.exponent);
    let scale = |d: Decimal| 10i128.checked_pow((d.exponent - exponent) as u32)?.checked_mul(d.digits);
    Some((scale(a)?, scale(b)?, exponent))
}

fn add_decimal(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (x, y, exponent) = align(a, b)?;
    Some(Decimal { digits: x.checked_add(y)?, exponent })
}

fn subtract_decimal(a: Decimal, b: Decimal) -> Option<Decimal> {
    add_decimal(a, Decimal { digits: -b.digits, ..b })
}

fn multiply_decimal(a: Decimal, b: Decimal) -> Option<Decimal> {
    Some(Decimal { digits: a.digits.checked_mul(b.digits)?, exponent: a.exponent + b.exponent })
}

/// To sixteen places after the point, halves away from zero.
fn divide_decimal(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (x, y, _) = align(a, b)?;
    let scaled = x.checked_mul(10i128.pow(16))?;
    let (quotient, rest) = (scaled / y, scaled % y);
    let up = rest.unsigned_abs() * 2 >= y.unsigned_abs();
    let away = if (scaled < 0) == (y < 0) { 1 } else { -1 };
    Some(Decimal { digits: quotient + if up { away } else { 0 }, exponent: -16 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_and_casts() {
        assert_eq!(decimal_operation(0.1, 0.2, add_decimal), Some(0.3));
        assert_eq!(decimal_operation(1.1, 1.1, multiply_decimal), Some(1.21));
        assert_eq!(decimal_operation(1.0, 3.0, divide_decimal), Some(0.3333333333333333));
        assert_eq!(decimal_operation(-2.0, 3.0, divide_decimal), Some(-0.6666666666666667));
        assert_eq!(decimal_operation(1e300, 1.0, add_decimal), None);
        for (text, int) in
            [("42", 42), ("-7", -7), ("0x1f", 31), ("010", 8), ("3.00", 3), ("3.5", 0), ("x", 0), ("--1", 0)]
        {
            assert_eq!(parse_int(text), int, "{text}");
        }
    }
}
