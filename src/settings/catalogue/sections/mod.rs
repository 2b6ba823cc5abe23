//! The sections of the settings, in the order of their pages.

mod alerts;
mod directory;
mod listeners;
mod messages;
mod next_hops;

use std::sync::LazyLock;

pub use alerts::ALERTS;
pub use directory::DIRECTORY;
pub use listeners::{ACCESS, LISTENERS};
pub use messages::{DELIVERY, MEMORY, RETENTION};
pub use next_hops::NEXT_HOPS;

use super::SettingSection;
use crate::settings::conditions::CONDITIONS;

/// In seconds.
const DAY: u64 = 86_400;
const YEAR: u64 = 365 * DAY;
/// In bytes.
const MEBIBYTE: u64 = 1 << 20;
const GIBIBYTE: u64 = 1 << 30;
const PEBIBYTE: u64 = 1 << 50;

/// Every section; those of the conditions in the order in which they are asked.
#[must_use]
pub fn sections() -> &'static [SettingSection] {
    static SECTIONS: LazyLock<Vec<SettingSection>> = LazyLock::new(|| {
        let conditions = CONDITIONS.iter().map(|condition| condition.section());
        [MEMORY, DELIVERY, NEXT_HOPS, LISTENERS, ACCESS]
            .into_iter()
            .chain(conditions)
            .chain([DIRECTORY, RETENTION, ALERTS])
            .collect()
    });
    &SECTIONS
}
