//! The notice above a listing about what was just done. It comes in the URL, so it is read as numbers and
//! known words, and never repeats a text.

use super::actions::label;
use crate::administration::queue::ActionProgress;
use crate::message::RowId;
use crate::queue::QueueAction;
use crate::web::pairs::Pairs;
use crate::web::wording;

/// What was just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// An action on so many of the chosen recipients.
    Acted {
        action: QueueAction,
        affected: u64,
        chosen: u64,
    },
    /// An action on one row, which may have been gone or in a state that it does not concern.
    ActedOn {
        action: QueueAction,
        row: u64,
        is_affected: bool,
    },
    /// An action that goes on.
    GoesOn { action: QueueAction, chosen: u64 },
    /// A button was pressed while nothing was selected.
    NothingChosen,
    /// A next hop was paused.
    Paused,
    /// A name was paused that no next hop has now.
    PausedUnknown,
    /// A next hop was resumed.
    Resumed,
}

/// What the page no longer keeps selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DealtWith {
    /// Everything that was selected.
    All,
    /// One row; the others stay selected.
    Row(u64),
}

impl Notice {
    /// What came of an action on `chosen` recipients.
    pub(super) fn of(action: QueueAction, progress: ActionProgress, chosen: u64) -> Self {
        match progress {
            ActionProgress::Done { affected } => Self::Acted {
                action,
                affected,
                chosen,
            },
            ActionProgress::GoesOn { chosen } => Self::GoesOn { action, chosen },
        }
    }

    /// The same for one row that was chosen by itself.
    pub(super) fn of_row(action: QueueAction, progress: ActionProgress, row: RowId) -> Self {
        match progress {
            ActionProgress::Done { affected } => Self::ActedOn {
                action,
                row: row.0.unsigned_abs(),
                is_affected: affected > 0,
            },
            goes_on @ ActionProgress::GoesOn { .. } => Self::of(action, goes_on, 1),
        }
    }

    /// For the URL.
    pub(super) fn pairs(self) -> Vec<(&'static str, String)> {
        let done = |word: &str| ("done", word.to_owned());
        match self {
            Self::Acted {
                action,
                affected,
                chosen,
            } => vec![
                done(action.as_str()),
                ("affected", affected.to_string()),
                ("chosen", chosen.to_string()),
            ],
            Self::ActedOn {
                action,
                row,
                is_affected,
            } => vec![
                done(action.as_str()),
                ("affected", u8::from(is_affected).to_string()),
                ("row", row.to_string()),
            ],
            Self::GoesOn { action, chosen } => {
                vec![done(action.as_str()), ("chosen", chosen.to_string())]
            }
            Self::NothingChosen => vec![done("nothing")],
            Self::Paused => vec![done("paused")],
            Self::PausedUnknown => vec![done("paused_unknown")],
            Self::Resumed => vec![done("resumed")],
        }
    }

    /// The notice of a URL, taken out of its query; none for one that the appliance never made.
    pub(super) fn take(pairs: &mut Pairs) -> Option<Self> {
        let done = pairs.take("done");
        let affected = pairs.take_number("affected").ok().flatten();
        let chosen = pairs.take_number("chosen").ok().flatten();
        let row = pairs.take_number("row").ok().flatten();
        let done = done?;
        match (done.as_str(), QueueAction::from_word(&done)) {
            ("nothing", _) => Some(Self::NothingChosen),
            ("paused", _) => Some(Self::Paused),
            ("paused_unknown", _) => Some(Self::PausedUnknown),
            ("resumed", _) => Some(Self::Resumed),
            (_, Some(action)) => match (affected, chosen, row) {
                (Some(affected), _, Some(row)) => Some(Self::ActedOn {
                    action,
                    row,
                    is_affected: affected > 0,
                }),
                (Some(affected), Some(chosen), None) => Some(Self::Acted {
                    action,
                    affected,
                    chosen,
                }),
                (None, Some(chosen), None) => Some(Self::GoesOn { action, chosen }),
                _ => None,
            },
            (_, None) => None,
        }
    }

    /// What of the selection has been dealt with.
    pub(super) fn dealt_with(self) -> Option<DealtWith> {
        match self {
            Self::Acted { .. } | Self::GoesOn { .. } => Some(DealtWith::All),
            Self::ActedOn { row, .. } => Some(DealtWith::Row(row)),
            Self::NothingChosen | Self::Paused | Self::PausedUnknown | Self::Resumed => None,
        }
    }

    /// In words.
    pub(super) fn words(self) -> String {
        match self {
            Self::Acted {
                action,
                affected,
                chosen,
            } => {
                let (all, done) = (wording::recipients(chosen), done(action));
                match (affected, chosen.saturating_sub(affected)) {
                    (_, 0) => format!("{done}: {all}."),
                    (0, rest) => {
                        let what = label(action).to_lowercase();
                        let why = left_out("The recipient", "The recipients", rest);
                        format!("Nothing to do: {what}. {why}")
                    }
                    (some, rest) => format!(
                        "{done}: {} of {all}. {}",
                        wording::count(some),
                        left_out("The other one", "The others", rest)
                    ),
                }
            }
            Self::ActedOn {
                action,
                is_affected,
                ..
            } => {
                let affected = u64::from(is_affected);
                let chosen = 1;
                Self::Acted {
                    action,
                    affected,
                    chosen,
                }
                .words()
            }
            Self::GoesOn { action, chosen } => format!(
                "Under way for {}: {}. The audit will say how many it concerned.",
                wording::recipients(chosen),
                label(action).to_lowercase()
            ),
            Self::NothingChosen => "Nothing was selected, so nothing was done.".to_owned(),
            Self::Paused => {
                "The next hop is paused: its mail waits in the queue until it is resumed."
                    .to_owned()
            }
            Self::PausedUnknown => {
                "Paused, although nothing has this name now: neither the settings nor the queue know \
                 such a next hop."
                    .to_owned()
            }
            Self::Resumed => "The next hop is resumed: what waits for it is due now.".to_owned(),
        }
    }
}

/// What was done to a recipient.
const fn done(action: QueueAction) -> &'static str {
    match action {
        QueueAction::Retry => "Due now",
        QueueAction::Hold => "Held",
        QueueAction::Release => "Released",
        QueueAction::Return => "Returned to the sender",
        QueueAction::Purge => "Purged",
    }
}

/// Why an action did not apply to some.
fn left_out(one: &str, several: &str, count: u64) -> String {
    if count == 1 {
        format!("{one} was gone, or in a state that it does not concern.")
    } else {
        format!("{several} were gone, or in a state that it does not concern.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: Vec<(&str, &str)>) -> Option<Notice> {
        let owned = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Notice::take(&mut Pairs::of(owned.collect()).expect("each name once"))
    }

    #[test]
    fn notices_survive_their_url() {
        for notice in [
            Notice::Acted {
                action: QueueAction::Purge,
                affected: 3,
                chosen: 4,
            },
            Notice::ActedOn {
                action: QueueAction::Hold,
                row: 17,
                is_affected: false,
            },
            Notice::GoesOn {
                action: QueueAction::Return,
                chosen: 100_000,
            },
            Notice::NothingChosen,
            Notice::Paused,
            Notice::PausedUnknown,
            Notice::Resumed,
        ] {
            let pairs = notice.pairs();
            let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(read(pairs.collect()), Some(notice));
        }
    }

    #[test]
    fn what_we_never_said_is_no_notice() {
        for pairs in [
            vec![],
            vec![("done", "<b>hacked</b>")],
            vec![("done", "purge")],
            vec![("done", "purge"), ("affected", "many")],
            vec![("affected", "3"), ("chosen", "3")],
            vec![("done", "purge"), ("row", "17")],
            vec![("done", "purge"), ("affected", "1"), ("row", "<b>")],
        ] {
            assert_eq!(read(pairs.clone()), None, "{pairs:?}");
        }
    }

    #[test]
    fn words() {
        let acted = |affected, chosen| Notice::Acted {
            action: QueueAction::Retry,
            affected,
            chosen,
        };
        let rest = "in a state that it does not concern.";
        for (affected, chosen, expected) in [
            (12, 12, "Due now: 12 recipients.".to_owned()),
            (1, 1, "Due now: 1 recipient.".to_owned()),
            (
                0,
                1,
                format!("Nothing to do: retry now. The recipient was gone, or {rest}"),
            ),
            (
                0,
                2,
                format!("Nothing to do: retry now. The recipients were gone, or {rest}"),
            ),
            (
                1,
                2,
                format!("Due now: 1 of 2 recipients. The other one was gone, or {rest}"),
            ),
            (
                2,
                4,
                format!("Due now: 2 of 4 recipients. The others were gone, or {rest}"),
            ),
        ] {
            assert_eq!(acted(affected, chosen).words(), expected);
        }
        let alone = |is_affected| Notice::ActedOn {
            action: QueueAction::Retry,
            row: 17,
            is_affected,
        };
        assert_eq!(alone(true).words(), "Due now: 1 recipient.");
        assert!(alone(false).words().contains("The recipient was gone"));
    }
}
