//! What there is room for: the memory budget and the number of sessions follow from the memory there is.

use crate::boot;
use crate::clients::{ClientLimit, Network};
use crate::limits;
use crate::settings::Settings;

/// The budget that the settings give, or a quarter of what the machine has.
pub(super) fn budget_bytes(settings: &Settings) -> u64 {
    match settings.memory_budget_bytes {
        0 => boot::memory_bytes() / 4,
        given => given,
    }
}

/// How many sessions there may be at one time.
pub(super) fn sessions() -> usize {
    sessions_within(boot::memory_bytes(), boot::descriptor_limit())
}

/// The limit for so many sessions, some of which strangers do not get.
pub(super) fn places(sessions: usize) -> ClientLimit<Network> {
    let kept = sessions * limits::SESSIONS_KEPT_PERCENT / 100;
    ClientLimit::new(sessions, limits::SESSIONS_PER_CLIENT).keeping(kept)
}

fn sessions_within(memory_bytes: u64, descriptors: u64) -> usize {
    let memory_bytes = memory_bytes / 100 * limits::SESSIONS_MEMORY_PERCENT;
    let by_memory = memory_bytes / limits::SESSION_BYTES;
    let by_descriptors = descriptors / limits::DESCRIPTORS_PER_SESSION;
    let sessions = usize::try_from(by_memory.min(by_descriptors)).unwrap_or(usize::MAX);
    sessions.clamp(limits::SESSIONS_MIN, limits::SESSIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_follow_from_the_memory_there_is() {
        const MIB: u64 = 1 << 20;
        for (memory_bytes, descriptors, least, most) in [
            (64 << 30, u64::MAX, limits::SESSIONS, limits::SESSIONS),
            (64 << 30, 20_000, limits::SESSIONS, limits::SESSIONS),
            (64 << 30, 1_024, 512, 512),
            (256 * MIB, u64::MAX, 1_000, 2_000),
            (128 * MIB, u64::MAX, 500, 1_000),
            (MIB, u64::MAX, limits::SESSIONS_MIN, limits::SESSIONS_MIN),
            (0, 0, limits::SESSIONS_MIN, limits::SESSIONS_MIN),
        ] {
            let sessions = sessions_within(memory_bytes, descriptors);
            let expected = least..=most;
            assert!(expected.contains(&sessions), "{memory_bytes}: {sessions}");
        }
    }
}
