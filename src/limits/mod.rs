//! Every bound of the program, with its unit in the name and its reason beside it.
//!
//! What an administrator may change is in [`crate::settings`]; the numbers here are those that need no thought
//! in operation. One file a subject; all of them are named `limits::NAME`.

mod accounts;
mod alerts;
mod conditions;
mod cut_through;
mod delivery;
mod demo;
mod directory;
mod dns;
mod message;
mod milters;
mod mime;
mod openpgp;
mod path;
mod process;
mod queue;
mod session;
mod settings;
mod smtp;
mod smtp_logins;
mod store;
mod trail;
mod web;

pub use self::accounts::*;
pub use self::alerts::*;
pub use self::conditions::*;
pub use self::cut_through::*;
pub use self::delivery::*;
pub use self::demo::*;
pub use self::directory::*;
pub use self::dns::*;
pub use self::message::*;
pub use self::milters::*;
pub use self::mime::*;
pub use self::openpgp::*;
pub use self::path::*;
pub use self::process::*;
pub use self::queue::*;
pub use self::session::*;
pub use self::settings::*;
pub use self::smtp::*;
pub use self::smtp_logins::*;
pub use self::store::*;
pub use self::trail::*;
pub use self::web::*;
