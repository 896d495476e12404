//! Values that protobuf's JSON mapping lets be written in more than one way.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// `null` is the default.
pub(in crate::otlp) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

/// A number that may be written as a string.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::otlp) struct Number<T>(pub(in crate::otlp) T);

pub(in crate::otlp) trait Parse: Sized + Copy + Default {
    const WHAT: &'static str;
    fn signed(value: i64) -> Option<Self>;
    fn unsigned(value: u64) -> Option<Self>;
    fn float(value: f64) -> Option<Self>;
    fn text(value: &str) -> Option<Self>;
}

macro_rules! parse_integer {
    ($($type:ty),*) => {$(
        impl Parse for $type {
            const WHAT: &'static str = concat!("an integer (", stringify!($type), ") or a string that holds one");
            fn signed(value: i64) -> Option<Self> {
                value.try_into().ok()
            }
            fn unsigned(value: u64) -> Option<Self> {
                value.try_into().ok()
            }
            fn float(value: f64) -> Option<Self> {
                let whole = value as $type;
                (whole as f64 == value).then_some(whole)
            }
            fn text(value: &str) -> Option<Self> {
                value.parse().ok().or_else(|| Self::float(value.parse().ok()?))
            }
        }
    )*};
}

parse_integer!(i64, u64, i32, u32);

impl Parse for f64 {
    const WHAT: &'static str = "a number, \"NaN\", \"Infinity\", \"-Infinity\" or a string that holds a number";
    fn signed(value: i64) -> Option<Self> {
        Some(value as f64)
    }
    fn unsigned(value: u64) -> Option<Self> {
        Some(value as f64)
    }
    fn float(value: f64) -> Option<Self> {
        Some(value)
    }
    fn text(value: &str) -> Option<Self> {
        match value {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            value => value.parse().ok().filter(|v: &f64| v.is_finite()),
        }
    }
}

impl<'de, T: Parse> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct NumberVisitor<T>(PhantomData<T>);
        fn found<T, E: Error>(value: Option<T>, text: impl fmt::Display, what: &str) -> Result<Number<T>, E> {
            value.map(Number).ok_or_else(|| E::custom(format_args!("{text} is not {what}")))
        }
        impl<T: Parse> Visitor<'_> for NumberVisitor<T> {
            type Value = Number<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::WHAT)
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                found(T::signed(value), value, T::WHAT)
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                found(T::unsigned(value), value, T::WHAT)
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                found(T::float(value), value, T::WHAT)
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
                found(T::text(value), format_args!("{value:?}"), T::WHAT)
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Number(T::default()))
            }
        }
        from.deserialize_any(NumberVisitor(PhantomData))
    }
}

/// Bytes as hexadecimal digits, as ids are.
#[derive(Debug, Default)]
pub(in crate::otlp) struct Hex(pub(in crate::otlp) Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text: String = nullable(from)?;
        let wrong = || D::Error::custom(format_args!("{text:?} is not an id in hexadecimal digits"));
        let digits = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<Vec<u8>>>();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2)).ok_or_else(wrong)?;
        Ok(Hex(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
    }
}

/// Bytes in base64, of either alphabet.
#[derive(Debug)]
pub(in crate::otlp) struct Base64(pub(in crate::otlp) Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text: String = nullable(from)?;
        let bytes = BASE64_STANDARD.decode(&text).or_else(|_| BASE64_URL_SAFE.decode(&text));
        bytes.map(Base64).map_err(|error| D::Error::custom(format_args!("bytesValue: {error}")))
    }
}

/// By number or by name.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::otlp) struct Temporality(pub(in crate::otlp) i32);

impl<'de> Deserialize<'de> for Temporality {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(i32),
            Name(String),
            Null(()),
        }
        Ok(Temporality(match Form::deserialize(from)? {
            Form::Number(number) => number,
            Form::Null(()) => 0,
            Form::Name(name) => match AggregationTemporality::from_str_name(&name) {
                Some(known) => known as i32,
                None => return Err(D::Error::custom(format_args!("{name:?} is no aggregation temporality"))),
            },
        }))
    }
}
