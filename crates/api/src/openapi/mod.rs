//! The description of the HTTP interface: `/api/v1/openapi.yaml` for Prometheus' part, `/api/afferent/v1/openapi.yaml` for ours.
//!
//! It is written as JSON, which YAML readers read.

mod paths;

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Map, Value, json};

use crate::build::APPLICATION_VERSION;
use crate::params::Params;
use paths::{Endpoint, Kind, OURS, PROMETHEUS, Parameter};

const YAML: &str = "application/yaml; charset=utf-8";

pub(crate) async fn prometheus(params: Params) -> Response {
    serve("Afferent: Prometheus' HTTP API", "/api/v1", PROMETHEUS, &params)
}

pub(crate) async fn ours(params: Params) -> Response {
    serve("Afferent: its own HTTP API", "/api/afferent/v1", OURS, &params)
}

fn serve(title: &str, server: &str, endpoints: &[Endpoint], params: &Params) -> Response {
    let version = if matches!(params.get("openapi_version"), "3.2" | "3.2.0") { "3.2.0" } else { "3.1.0" };
    let document = document(title, server, version, endpoints);
    let headers = [(header::CONTENT_TYPE, YAML), (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate")];
    (headers, format!("{document:#}\n")).into_response()
}

fn document(title: &str, server: &str, version: &str, endpoints: &[Endpoint]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints {
        let methods = paths.entry(endpoint.path).or_default();
        for method in endpoint.methods.split(' ') {
            methods.insert(method.to_lowercase(), operation(endpoint, method));
        }
    }
    json!({
        "openapi": version,
        "info": {"title": title, "version": APPLICATION_VERSION},
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"schemas": {
            "Error": {
                "type": "object",
                "required": ["status", "errorType", "error"],
                "properties": {
                    "status": {"const": "error"},
                    "errorType": {"type": "string"},
                    "error": {"type": "string"},
                },
            },
            "Success": {
                "type": "object",
                "required": ["status"],
                "properties": {
                    "status": {"const": "success"},
                    "data": {},
                    "warnings": {"type": "array", "items": {"type": "string"}},
                    "infos": {"type": "array", "items": {"type": "string"}},
                },
            },
        }},
    })
}

fn operation(endpoint: &Endpoint, method: &str) -> Value {
    let in_path = |p: &&Parameter| endpoint.path.contains(&format!("{{{}}}", p.name));
    let by_form = method == "POST" && endpoint.methods.contains("GET");
    let parameters: Vec<Value> =
        endpoint.parameters.iter().filter(|p| in_path(p) || !by_form).map(|p| parameter(p, in_path(&p))).collect();
    let mut operation = json!({
        "operationId": operation_id(method, endpoint.path),
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": "The answer.", "content": {endpoint.answer: {"schema": answer_schema(endpoint)}}},
            "default": {
                "description": "Why there is none.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    });
    if by_form {
        operation["requestBody"] =
            json!({"content": {"application/x-www-form-urlencoded": {"schema": form(endpoint)}}});
    }
    operation
}

fn operation_id(method: &str, path: &str) -> String {
    let words: Vec<&str> = path.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!("{}-{}", method.to_lowercase(), words.join("-"))
}

fn answer_schema(endpoint: &Endpoint) -> Value {
    if endpoint.answer == "application/json" {
        json!({"$ref": "#/components/schemas/Success"})
    } else {
        json!({"type": "string"})
    }
}

fn parameter(parameter: &Parameter, in_path: bool) -> Value {
    json!({
        "name": parameter.name,
        "in": if in_path { "path" } else { "query" },
        "required": parameter.required || in_path,
        "description": parameter.text,
        "schema": schema(parameter),
    })
}

fn form(endpoint: &Endpoint) -> Value {
    let properties: Map<String, Value> = endpoint.parameters.iter().map(|p| (p.name.to_owned(), schema(p))).collect();
    let required: Vec<&str> = endpoint.parameters.iter().filter(|p| p.required).map(|p| p.name).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

fn schema(parameter: &Parameter) -> Value {
    match parameter.kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Number => json!({"type": "integer", "minimum": 0}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Time => {
            json!({"oneOf": [{"type": "string", "format": "date-time"}, {"type": "number", "format": "unixtime"}]})
        }
        Kind::Duration => json!({"oneOf": [{"type": "string", "format": "duration"}, {"type": "number"}]}),
        Kind::OneOf(words) => json!({"type": "string", "enum": words}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        // The routes as they stand in the source: a list of its own would be a second thing to forget.
        let source = include_str!("../router.rs");
        let routes_of = |function: &str, prefix: &str| -> Vec<String> {
            let body = source.split(&format!("fn {function}(")).nth(1).unwrap().split("\n}\n").next().unwrap();
            let paths = body.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
            paths.map(|path| format!("{prefix}{path}")).collect()
        };
        let described = |endpoints: &[Endpoint]| {
            let mut paths: Vec<String> = endpoints.iter().map(|e| e.path.to_owned()).collect();
            paths.sort();
            paths.dedup();
            paths
        };
        let mut prometheus = routes_of("prometheus_api", "");
        prometheus.extend(routes_of("tsdb_admin", "/admin/tsdb"));
        prometheus.sort();
        assert_eq!(described(PROMETHEUS), prometheus);
        let mut ours = routes_of("own_api", "");
        let searches =
            include_str!("../log_routes.rs").split("fn searches(").nth(1).unwrap().split("\n}\n").next().unwrap();
        let paths = searches.split(".route(&at(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        ours.extend(paths.map(|path| format!("/logs{path}")));
        let alerting = include_str!("../alertmanager/own/mod.rs");
        let paths = alerting.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        ours.extend(paths.map(|path| format!("/alerting{path}")));
        ours.sort();
        assert_eq!(described(OURS), ours);
    }

    #[test]
    fn the_document_is_whole() {
        let document = document("t", "/api/v1", "3.1.0", PROMETHEUS);
        let query = &document["paths"]["/query"];
        assert_eq!(query["get"]["parameters"][0]["name"], "query");
        assert_eq!(query["get"]["parameters"][0]["required"], true);
        assert_eq!(query["post"]["parameters"], json!([]));
        let form = &query["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
        assert_eq!(form["required"], json!(["query"]));
        assert_eq!(document["paths"]["/label/{name}/values"]["get"]["parameters"][0]["in"], "path");
        let mut ids: Vec<&str> = Vec::new();
        for operation in document["paths"].as_object().unwrap().values().flat_map(|m| m.as_object().unwrap().values()) {
            ids.push(operation["operationId"].as_str().unwrap());
        }
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "operations have names of their own");
    }
}
