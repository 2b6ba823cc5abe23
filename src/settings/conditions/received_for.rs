//! The settings of the Received-for condition.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Makes one message of each recipient, who is named in its Received field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReceivedFor {
    /// The feature is on.
    pub enabled: bool,
    /// Messages it concerns take the standard path.
    pub disables_fast_path: bool,
}

impl Default for ReceivedFor {
    fn default() -> Self {
        Self {
            enabled: false,
            disables_fast_path: true,
        }
    }
}
