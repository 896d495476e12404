//! The functions of Alertmanager's notification templates (`template/template.go`, `DefaultFuncs`).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use model::Clock;

use super::args::{query_unescape, strings, text, time};
use super::prometheus::{re_match, re_replace_all};
use super::{Funcs, Function, numbers, title};
use crate::time::{Time, Zone};
use crate::types::{SafeKind, Type};
use crate::value::{List, Value};

/// Renders a route's label by name, which may itself be a template.
pub type RouteLabels = dyn Fn(&str) -> Result<String, String> + Send + Sync;

/// The functions. `clock` answers `now` and `since`; `routeLabels` yields nothing until [`with_route_labels`] binds it.
pub fn functions(clock: Arc<dyn Clock>) -> Funcs {
    let mut funcs = Funcs::new();
    let mut add = |name: &str, function: Function| funcs.insert(name, function);

    add("toUpper", strings(1, |texts| title::upper(&texts[0])));
    add("toLower", strings(1, |texts| title::lower(&texts[0])));
    add("title", strings(1, |texts| title::word_title(&texts[0], true)));
    add("trimSpace", strings(1, |texts| texts[0].trim().to_owned()));
    add(
        "join",
        Function::new([Type::String, Type::strings()], |call, args| {
            let separator = args[0].as_bytes().unwrap_or_default();
            let list = args[1].as_list();
            let items: Vec<&[u8]> = list.iter().flat_map(|list| list.items()).filter_map(Value::as_bytes).collect();
            let size = items.iter().map(|item| item.len().saturating_add(separator.len())).sum();
            call.reserve(size)?;
            Ok(items.join(separator).into())
        }),
    );
    add("match", re_match());
    add("reReplaceAll", re_replace_all());
    add("safeHtml", Function::new([Type::String], |_, args| Ok(Value::html(text(args, 0).into_owned()))));
    add(
        "safeUrl",
        Function::new([Type::String], |_, args| Ok(Value::Safe(SafeKind::Url, text(args, 0).into_owned().into()))),
    );
    add("urlUnescape", Function::new([Type::String], |_, args| query_unescape(&text(args, 0)).map(Value::from)));
    add(
        "stringSlice",
        Function::variadic([], Type::String, |_, args| {
            Ok(Value::List(Arc::new(List::new(Type::String, args.to_vec()))))
        }),
    );
    add("date", Function::new([Type::String, Type::Time], |_, args| Ok(time(args, 1).format(&text(args, 0)).into())));
    add(
        "tz",
        Function::new([Type::String, Type::Time], |_, args| {
            Ok(Value::Time(time(args, 1).in_zone(Zone::load(&text(args, 0))?)))
        }),
    );
    let now = clock.clone();
    add("now", Function::new([], move |_, _| Ok(Value::Time(Time::from_timestamp(now.now())))));
    add(
        "since",
        Function::new([Type::Time], move |_, args| {
            Ok(Value::Duration(Time::from_timestamp(clock.now()).since(time(args, 0))))
        }),
    );
    add(
        "humanizeDuration",
        Function::new([Type::Interface], |_, args| numbers::humanize_duration(&args[0]).map(Value::from)),
    );
    add(
        "toDate",
        Function::new([Type::String, Type::String], |_, args| {
            Ok(Value::Time(crate::time::parse(&text(args, 0), &text(args, 1), Zone::Utc).unwrap_or(Time::ZERO)))
        }),
    );
    add(
        "mustToDate",
        Function::new([Type::String, Type::String], |_, args| {
            crate::time::parse(&text(args, 0), &text(args, 1), Zone::Utc).map(Value::Time)
        }),
    );
    add(
        "toJson",
        Function::new([Type::Interface], |call, args| crate::json::marshal(&args[0], call.budget()).map(Value::from)),
    );
    add(
        "base64encode",
        Function::new([Type::String], |_, args| Ok(URL_SAFE.encode(args[0].as_bytes().unwrap_or_default()).into())),
    );
    add(
        "base64decode",
        Function::new([Type::String], |_, args| {
            let encoded: Vec<u8> = args[0]
                .as_bytes()
                .unwrap_or_default()
                .iter()
                .copied()
                .filter(|b| !matches!(b, b'\r' | b'\n'))
                .collect();
            let decoded = URL_SAFE.decode(encoded).map_err(|error| format!("illegal base64 data: {error}"))?;
            Ok(decoded.into())
        }),
    );
    add("list", Function::variadic([], Type::Interface, |_, args| Ok(Value::list(args.to_vec()))));
    add(
        "append",
        Function::variadic([Type::list()], Type::Interface, |call, args| {
            let list = args[0].as_list();
            let items: Vec<Value> = list.iter().flat_map(|list| list.items()).chain(&args[1..]).cloned().collect();
            call.reserve(items.len() * size_of::<Value>())?;
            Ok(Value::list(items))
        }),
    );
    add(
        "dict",
        Function::variadic([], Type::Interface, |_, args| {
            if args.len() % 2 != 0 {
                return Err("dict requires an even number of arguments".into());
            }
            let mut entries = Vec::with_capacity(args.len() / 2);
            for pair in args.chunks_exact(2) {
                let Value::Str(key) = &pair[0] else { return Err("dict keys must be strings".into()) };
                entries.push((key.clone(), pair[1].clone()));
            }
            Ok(Value::map(entries))
        }),
    );
    add("routeLabels", Function::new([Type::String], |_, _| Ok("".into())));
    funcs
}

/// Binds `routeLabels` for one notification.
pub fn with_route_labels(resolve: Arc<RouteLabels>) -> Funcs {
    let mut funcs = Funcs::new();
    funcs.insert("routeLabels", Function::new([Type::String], move |_, args| resolve(&text(args, 0)).map(Value::from)));
    funcs
}
