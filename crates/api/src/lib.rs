//! HTTP: one file per protocol spoken; decodes, authorises, calls, encodes. No logic.
//!
//! [`Api`] holds what the handlers share, [`router`] lists every path, [`serve`] runs listeners until they are told to stop.
//! The behaviour of `/api/v1` is that of Prometheus 3 (`web/api/v1/api.go`), down to parameters, errors and status codes.

mod admin;
mod answer;
mod build;
mod classic_text;
mod columns;
mod doors;
mod encode;
mod errors;
mod escaping;
mod explain;
mod federate;
mod gate;
mod histogram_json;
mod influx;
mod ingest;
mod json;
mod notifications;
mod openapi;
mod otlp;
mod params;
mod process_metrics;
mod prom_admin;
mod prom_exemplars;
mod prom_labels;
mod prom_parse;
mod prom_query;
mod prom_rules;
mod prom_status;
mod prom_targets;
mod protobuf_out;
mod pushgateway;
mod queries;
mod remote_read;
mod remote_write;
mod router;
mod search;
mod self_metrics;
mod self_metrics_json;
mod server;
mod sources;
mod state;
mod status_cardinality;
mod status_store;
mod tenant;
mod time_text;
mod ui;

pub use build::{APPLICATION_VERSION, COMPATIBLE_VERSION, REVISION};
pub use doors::DoorPolicy;
pub use errors::{ApiError, ErrorKind};
pub use notifications::{Notifications, RELOAD_FAILED};
pub use otlp::{Otlp, otlp_router};
pub use params::{Params, parse_duration_ns, parse_time};
pub use process_metrics::register as register_process_metrics;
pub use pushgateway::write_pushed_groups;
pub use queries::QueryLog;
pub use remote_write::{RemoteWrite, remote_write_router};
pub use router::{Door, router};
pub use self_metrics::HttpMetrics;
pub use server::{BindError, bind, serve};
pub use sources::Targets;
pub use state::{Api, BoxFuture, ConfigSnapshot, Parts, Readiness, Reload};
pub use tenant::{RequestTenant, TENANT_HEADER};
