//! Black-box tests: the real binary on free loopback ports, with a temporary data directory.

#![allow(clippy::unwrap_used, clippy::type_complexity)] // a test may stop where it stands

mod alertmanager;
mod budget;
mod classic_ports;
mod clients;
mod commands;
mod crash;
mod differential;
mod federation;
mod harness;
mod influx_peer;
mod lifecycle;
mod moving;
mod otlp_differential;
mod reloading;
mod remote_read;
mod ruling;
mod ship;
mod shipped_rules;
mod shipping;
