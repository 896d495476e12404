//! Black-box tests of the dispatcher and its receivers.

mod live;
mod never_stuck;
mod receivers;
mod scenarios;
mod standin;
mod templates;
mod world;
