//! What the scenes share: the appliance under test, the clients and the destinations around it.

pub(crate) mod admin;
pub(crate) mod appliance;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod ledger;
pub(crate) mod memory_group;
pub(crate) mod messages;
pub(crate) mod peers;
pub(crate) mod process;
pub(crate) mod raw_sink;
pub(crate) mod services;
pub(crate) mod source_items;
pub(crate) mod turn;
pub(crate) mod wait;
pub(crate) mod web_hook;
