//! What an API token may do.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Role;

/// What an API token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Sees what a viewer sees.
    ReadOnly,
    /// Does what an operator does.
    Operate,
    /// Does what an administrator does.
    ReadWrite,
}

impl Scope {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::ReadOnly, Self::Operate, Self::ReadWrite];

    /// The word in the database, the API and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Operate => "operate",
            Self::ReadWrite => "read_write",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// The role whose doors it opens.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::ReadOnly => Role::Viewer,
            Self::Operate => Role::Operator,
            Self::ReadWrite => Role::Administrator,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
