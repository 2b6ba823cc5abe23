//! What an API token may do.

use super::Role;
use crate::message::words::words;

words! {
    /// What an API token may do.
    Scope {
        /// Sees what a viewer sees.
        ReadOnly => "read_only",
        /// Does what an operator does.
        Operate => "operate",
        /// Does what an administrator does.
        ReadWrite => "read_write",
    }
}

impl Scope {
    /// The role whose rights it has.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::ReadOnly => Role::Viewer,
            Self::Operate => Role::Operator,
            Self::ReadWrite => Role::Administrator,
        }
    }
}
