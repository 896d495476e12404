//! Tenants, named by the `X-Scope-OrgID` header of Loki and Mimir.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Why a tenant name is refused.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "tenant id {0:?} is not allowed: use 1 to 150 of the characters a-z A-Z 0-9 ! - _ . * ' ( ), and neither . nor .."
)]
pub struct TenantError(String);

/// A tenant's name; safe to use as a directory name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// Checks a name by Mimir's rules.
    pub fn new(name: &str) -> Result<Self, TenantError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!-_.*'()".contains(&b);
        let fits = !name.is_empty() && name.len() <= 150 && name != "." && name != "..";
        if fits && name.bytes().all(allowed) { Ok(Tenant(Arc::from(name))) } else { Err(TenantError(name.to_owned())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Tenant {
    /// The tenant of requests that name none.
    fn default() -> Self {
        Tenant(Arc::from("default"))
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
