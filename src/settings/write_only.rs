//! Secrets among the settings: they can be set, changed and removed, but never read back.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// What is shown instead of a secret. Given back in a change, it means
/// the secret that is there.
pub const SHOWN: &str = "(set)";

/// A secret. Serialised it says only that it is set; the store asks for the text itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct WriteOnly(String);

impl WriteOnly {
    /// Takes the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is what is shown in a secret's place, and not a secret.
    #[must_use]
    pub fn is_what_is_shown(&self) -> bool {
        self.0 == SHOWN
    }
}

impl Serialize for WriteOnly {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SHOWN)
    }
}

impl fmt::Debug for WriteOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}
