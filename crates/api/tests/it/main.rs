//! The router called as a service, without a network: requests in, status and bytes out.

#![allow(clippy::unwrap_used)] // a test may stop where it stands

mod alerting;
mod cancel;
mod cases;
mod columns;
mod doors;
mod explain;
mod federate;
mod hostile;
mod influx;
mod logs;
mod memory_source;
mod notifications;
mod otlp;
mod own_status;
mod product;
mod prom_admin;
mod pushgateway;
mod queries;
mod remote_read;
mod remote_write;
mod search;
mod support;
mod tenant_limits;
