//! The router called as a service, without a network: requests in, status and bytes out.

mod cancel;
mod cases;
mod doors;
mod hostile;
mod memory_source;
mod product;
mod support;
