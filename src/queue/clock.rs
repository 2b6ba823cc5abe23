//! The queue's clock. The machine's may be set while mail waits: whatever was stored before would seem to have
//! waited for that long then, or not to be due for years.
//!
//! So this one goes on evenly, and follows a step of the machine's clock only once the times in the queue are shifted by it.
//! The step of a restart is known, too, where the machine ran on: a file keeps what the clock said at some moment
//! since the machine was started.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use rustix::time::{ClockId, clock_gettime};

use crate::{boot, limits};

/// In the data directory.
const FILE: &str = "clock";
/// Changes with every start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The clock, and where its moment is kept.
#[derive(Debug)]
pub struct QueueClock {
    known: Mutex<ClockReading>,
    file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
struct ClockReading {
    /// What the machine's clock said then, its steps since then that were taken over included.
    wall: Timestamp,
    at: Instant,
    /// The last ones forward, and when they were taken over.
    forward: Vec<(Instant, SignedDuration)>,
}

/// What a clock said at a moment of the machine's life.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BootMoment {
    boot_id: String,
    since_boot: SignedDuration,
    wall: Timestamp,
}

impl QueueClock {
    /// The clock of an appliance with this data directory, and the step that the machine's clock has made since
    /// the appliance ran last, where that is known.
    #[must_use]
    pub fn open(data_directory: &Path) -> (Self, Option<SignedDuration>) {
        let file = data_directory.join(FILE);
        let before = fs::read_to_string(&file).ok();
        let before = before.and_then(|text| BootMoment::read(&text));
        let now = BootMoment::now();
        let step = before
            .zip(now)
            .and_then(|(before, now)| before.step_to(&now));
        let clock = Self {
            file: Some(file),
            ..Self::default()
        };
        clock.write_down();
        (clock, step)
    }

    /// The time by which the queue goes.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let known = self.known();
        let since = SignedDuration::try_from(known.at.elapsed()).unwrap_or(SignedDuration::ZERO);
        known.wall.checked_add(since).unwrap_or(known.wall)
    }

    /// The step that the machine's clock has made, and that was not taken over; none when it is none to speak of.
    #[must_use]
    pub fn step(&self) -> Option<SignedDuration> {
        let step = Timestamp::now().duration_since(self.now());
        is_step(step).then_some(step)
    }

    /// The times in the queue are shifted by the step.
    pub fn take_over(&self, step: SignedDuration) {
        {
            let mut known = self.known();
            known.wall = known.wall.checked_add(step).unwrap_or(known.wall);
            if step.is_positive() {
                if known.forward.len() == limits::CLOCK_STEPS {
                    known.forward.remove(0);
                }
                known.forward.push((Instant::now(), step));
            }
        }
        self.write_down();
    }

    /// The steps forward since `moment`: so much longer ago seems whatever was looked up then.
    #[must_use]
    pub fn steps_since(&self, moment: Instant) -> SignedDuration {
        let known = self.known();
        let since = known.forward.iter().filter(|(at, _)| *at >= moment);
        since.fold(SignedDuration::ZERO, |sum, (_, step)| {
            sum.saturating_add(*step)
        })
    }

    /// Without it a step of the next restart is not known: no more.
    fn write_down(&self) {
        if let (Some(file), Some(moment)) = (&self.file, BootMoment::now())
            && let Err(error) = boot::write_private(file, &moment.write())
        {
            tracing::debug!(%error, "what the clock says is not written down");
        }
    }

    fn known(&self) -> MutexGuard<'_, ClockReading> {
        self.known.lock()
    }
}

impl Default for QueueClock {
    /// One that is not kept.
    fn default() -> Self {
        Self {
            known: Mutex::new(ClockReading {
                wall: Timestamp::now(),
                at: Instant::now(),
                forward: Vec::new(),
            }),
            file: None,
        }
    }
}

/// Clocks are corrected by moments all the time.
fn is_step(step: SignedDuration) -> bool {
    step.unsigned_abs() > limits::CLOCK_CORRECTION
}

impl BootMoment {
    fn now() -> Option<Self> {
        let boot_id = fs::read_to_string(BOOT_ID).ok()?.trim().to_owned();
        let since_boot = clock_gettime(ClockId::Boottime);
        let since_boot = Duration::try_from(since_boot).ok()?;
        Some(Self {
            boot_id,
            since_boot: SignedDuration::try_from(since_boot).ok()?,
            wall: Timestamp::now(),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let boot_id = words.next()?.to_owned();
        let mut milliseconds = || words.next()?.parse::<i64>().ok();
        Some(Self {
            boot_id,
            since_boot: SignedDuration::from_millis(milliseconds()?),
            wall: Timestamp::from_millisecond(milliseconds()?).ok()?,
        })
    }

    fn write(&self) -> String {
        let since_boot = self.since_boot.as_millis();
        let wall = self.wall.as_millisecond();
        format!("{} {since_boot} {wall}\n", self.boot_id)
    }

    /// None: it is none to speak of, or the machine was started in between.
    fn step_to(&self, later: &Self) -> Option<SignedDuration> {
        let passed = later.since_boot.checked_sub(self.since_boot)?;
        let step = later.wall.duration_since(self.wall).checked_sub(passed)?;
        (self.boot_id == later.boot_id && is_step(step)).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(boot_id: &str, since_boot: i64, wall: i64) -> BootMoment {
        BootMoment {
            boot_id: boot_id.to_owned(),
            since_boot: SignedDuration::from_secs(since_boot),
            wall: Timestamp::from_second(wall).expect("in range"),
        }
    }

    #[test]
    fn a_step_shows_while_the_machine_runs_on() {
        let before = moment("a", 100, 1_000);
        for (later, expected) in [
            (moment("a", 160, 1_060), None),
            (moment("a", 160, 1_062), None),
            (moment("a", 160, 5_060), Some(4_000)),
            (moment("a", 160, 60), Some(-1_000)),
            (moment("b", 10, 5_000), None),
        ] {
            let step = before.step_to(&later).map(|step| step.as_secs());
            assert_eq!(step, expected, "{later:?}");
            assert_eq!(BootMoment::read(&later.write()), Some(later));
        }
        assert_eq!(BootMoment::read("a b c"), None);
        assert_eq!(BootMoment::read(""), None);
    }

    #[test]
    fn a_step_is_taken_over_when_it_was_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let (clock, step) = QueueClock::open(directory.path());
        assert_eq!((step, clock.step()), (None, None));
        let before = Instant::now();
        let hour = SignedDuration::from_hours(1);
        clock.take_over(hour);
        // The machine's clock, which did not step, is behind now.
        let behind = clock.step().expect("an hour");
        assert_eq!(behind.as_mins(), -60);
        assert_eq!(clock.steps_since(before), hour);
        assert_eq!(clock.steps_since(Instant::now()), SignedDuration::ZERO);
        clock.take_over(behind);
        assert_eq!((clock.step(), clock.steps_since(before)), (None, hour));
        let (_, step) = QueueClock::open(directory.path());
        assert_eq!(step, None);
    }
}
