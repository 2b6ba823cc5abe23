//! Fastpath: a mail relay that hands a message to its destination *before* it says 250.
//!
//! A **listener** accepts a client; a **session** speaks SMTP with it; **conditions** choose the path;
//! the **message** is held in memory, on disk or in both; the **path** hands it to **delivery** and
//! decides the reply; what could not be delivered waits in the **retry queue**; **statistics** watch;
//! the **web** shows and changes all of it.
//!
//! The modules are listed in reading order, which is also the order of the layers: a module uses only
//! those below it. `tests/layers.rs` checks that.

#[cfg(any(fuzzing, test))]
pub mod fuzzing;

pub mod commands;

pub mod appliance;

pub mod web;

pub mod alerts;

pub mod administration;

pub mod listener;
pub mod session;

pub mod path;
pub mod queue;

pub mod conditions;

pub mod delivery;
pub mod dns;
pub mod statistics;

pub mod store;

pub mod accounts;
pub mod openpgp;

mod mime;

pub mod message;
pub mod settings;

pub mod own_mark;
pub mod smtp;
pub mod sock_diag;
pub mod system_error;

pub mod tls;

pub mod boot;
pub mod clients;
pub mod limits;
