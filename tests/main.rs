//! The appliance as its users meet it: the real binary, spoken to over its sockets, with
//! destinations that keep every byte and destinations that misbehave.
//!
//! One scene a file. `support/` has what the scenes share: the appliance under test, a client that
//! speaks raw bytes, destinations, the services that check mail. Nothing here sleeps for a fixed time;
//! every wait is for a condition and has a deadline. Nothing leaves loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

mod harness;
mod house;
mod layers;
mod links;
mod services;

mod boot;
mod dialogues;
mod newcomer;

mod accounts;
mod api;
mod https;
mod pages;
mod settings_file;
mod thresholds;

mod bytes;
mod sync;

mod conversion;
mod cut_through;
mod destinations;
mod exchangers;
mod last_mile;
mod next_hops;
mod repetition;
mod start_tls;

mod pauses;
mod queue;
mod reports;
mod tarpits;

mod smtp_logins;

mod backup;
mod crash;
mod damaged;
mod disk_full;
mod shutdown;

mod conditions;

mod alerts;

mod idle_sessions;
mod slow_clients;
mod strangers;
