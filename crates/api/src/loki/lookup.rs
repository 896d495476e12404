//! Questions that read the log store without being queries: admitted like the look-ups of metrics, within a memory account, on
//! a thread that may block.

use std::sync::Arc;

use logql::parse_matchers;
use model::{LogRequest, LogSource, Matcher, NanoRange, Reservation, SourceError, StreamSet, Tenant};
use promql::engine::CancelFlag;

use super::answer::LokiError;
use crate::log_state::Logs;

/// What work has at hand.
pub(crate) struct Reading {
    pub(crate) source: Arc<dyn LogSource>,
    pub(crate) memory: Arc<Reservation>,
    cancel: CancelFlag,
}

impl Reading {
    /// The streams that match.
    pub(crate) fn select(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        range: NanoRange,
    ) -> Result<Box<dyn StreamSet>, SourceError> {
        let request = LogRequest { tenant, matchers, range, fragments: &[], memory: Some(&self.memory) };
        self.source.select(&request)
    }

    /// An error once nobody waits for the answer any more.
    pub(crate) fn check(&self) -> Result<(), SourceError> {
        if self.cancel.is_canceled() { Err(SourceError::Canceled) } else { Ok(()) }
    }
}

/// Runs `work` once there is a place for it.
pub(crate) async fn run<T: Send + 'static>(
    logs: &Logs,
    work: impl FnOnce(&Reading) -> Result<T, LokiError> + Send + 'static,
) -> Result<T, LokiError> {
    let admission = logs.lookups.admit(logs.timeout).await?;
    let cancel = CancelFlag::default();
    let reading = Reading { source: logs.source.clone(), memory: logs.memory.open(), cancel: cancel.clone() };
    admission.run(cancel, move || work(&reading)).await?
}

/// The matchers of a selector; none where the text is empty or `{}`.
pub(crate) fn matchers(text: &str) -> Result<Vec<Matcher>, LokiError> {
    let inner = text.trim();
    if inner.is_empty()
        || inner.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).is_some_and(|rest| rest.trim().is_empty())
    {
        return Ok(Vec::new());
    }
    parse_matchers(text).map_err(|error| LokiError::bad(error.to_string()))
}
