//! Syslog as it is found in the wild: RFC 5424, RFC 3164, and the ways in which messages follow each other on a connection.
//! It reads bytes and knows nothing of connections; the shipper's receiver and the server's own door both use it.

mod frame;
mod parse;

pub use frame::{FrameError, Framer};
pub use parse::{Element, Message, MessageError, facility_name, parse, parse_rfc3164, parse_rfc5424, severity_name};
