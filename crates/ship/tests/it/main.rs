//! The shipper from outside: real files, a stand-in receiver, and what arrives there.

mod files;
mod harness;
mod receiver;
mod stages;
