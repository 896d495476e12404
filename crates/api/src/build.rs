//! What was built.

/// Version of the product.
pub const APPLICATION_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The Prometheus whose API and language are answered; clients choose their requests by it.
pub const COMPATIBLE_VERSION: &str = "3.13.0";
/// Commit of the build, where the build was told.
pub const REVISION: &str = match option_env!("AFFERENT_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
