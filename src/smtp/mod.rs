//! The language of mail transfer, pure: lines, commands, replies, addresses, end of data, dot stuffing.
//!
//! Nothing here awaits, reads a clock or touches a socket; bytes go in, values come out. Whoever holds
//! the connection feeds these machines and obeys what they say.

pub mod address;
pub mod bdat;
pub mod capabilities;
pub mod command;
pub mod command_writer;
pub mod dot_stuffing;
pub mod end_of_data;
pub mod line;
mod path_lexer;
pub mod reply;
pub mod reply_reader;
pub mod xtext;
