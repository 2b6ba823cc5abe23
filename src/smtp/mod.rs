//! The language of mail transfer, pure: lines, commands, replies, addresses, end of data, dot stuffing.
//!
//! Nothing here awaits, reads a clock or touches a socket; bytes go in, values come out. The owner of
//! the connection feeds these machines and acts on their values.
//!
//! What a client says: [`line`](mod@line) cuts its bytes, [`command`] reads them with [`address`], [`domain`] and [`xtext`],
//! [`authentication`] takes its name and password, [`end_of_data`] turns what follows into
//! content. What we say: [`reply`]. To a next hop it is the other way round: [`command_writer`] and
//! [`dot_stuffing`] speak, [`reply_reader`] listens.
//! What proxies say before and about a client: [`proxy_protocol`], [`xclient`].
//! [`capabilities`] is what either side offers, [`Protocol`] says which of two dialects is spoken.

pub mod address;
pub mod authentication;
pub mod capabilities;
pub mod command;
pub mod command_writer;
pub mod domain;
pub mod dot_stuffing;
pub mod end_of_data;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
pub mod line;
mod next_hop_replies;
mod our_replies;
mod path_lexer;
mod protocol;
pub mod proxy_protocol;
pub mod reply;
pub mod reply_reader;
pub mod xclient;
pub mod xtext;

pub use protocol::Protocol;
