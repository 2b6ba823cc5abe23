//! Why a change of who gets in was not made.

use crate::store::database::error::StoreError;

/// Why a change was not made, though the store works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessRefusal {
    /// There has been an administrator.
    #[error("the appliance is set up already")]
    SetupIsDone,
    /// Two of the same name could not be told apart.
    #[error("this name is taken")]
    NameTaken,
    /// The list is as long as it may become.
    #[error("there are too many already")]
    TooMany,
    /// It was removed, or never there.
    #[error("there is no such account")]
    NoSuchAccount,
    /// It was revoked, or never there.
    #[error("there is no such token")]
    NoSuchToken,
    /// Nobody could change anything any more.
    #[error("the last administrator stays one")]
    LastAdministrator,
    /// While the password was being checked it was changed.
    #[error("the password was changed meanwhile")]
    PasswordChanged,
    /// Replacing it would take more than a password: switch it off first.
    #[error("one-time codes are asked for already")]
    SecondFactorIsOn,
    /// The code was used before, or is asked for and was not given.
    #[error("the code does not count")]
    CodeUsed,
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// It may not be made.
    #[error(transparent)]
    Refused(#[from] AccessRefusal),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a change was not made, within its transaction.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotMade {
    #[error(transparent)]
    Refused(#[from] AccessRefusal),
    #[error(transparent)]
    Failed(#[from] sqlx::Error),
}
