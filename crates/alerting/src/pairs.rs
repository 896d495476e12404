//! Label sets in JSON: an object of texts.

use std::collections::BTreeMap;

use model::Labels;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<S: Serializer>(labels: &Labels, serializer: S) -> Result<S::Ok, S::Error> {
    labels.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
    Ok(Labels::from_pairs(BTreeMap::<String, String>::deserialize(deserializer)?))
}
