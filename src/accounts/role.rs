//! What an account may do.

use crate::message::words::words;

words! {
    /// What an account may do; each may do what those before it may, too.
    Role {
        /// Sees figures, queue and trail.
        Viewer => "viewer",
        /// Works on the queue and reads the mail in it.
        Operator => "operator",
        /// Changes settings and accounts.
        Administrator => "administrator",
    }
}
