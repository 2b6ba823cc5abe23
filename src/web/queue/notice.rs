//! The notice above a listing about what was just done. It comes in the URL, so it is read as numbers and
//! known words, and never repeats a text.

use super::button::Button;
use crate::administration::queue::ActionProgress;
use crate::message::RowId;
use crate::queue::QueueAction;
use crate::web::pairs::Pairs;
use crate::web::wording;

/// What was just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// An action on so many of the chosen recipients, or one that goes on. One row that was chosen by itself may have
    /// been gone, or in a state that the action does not concern.
    Acted {
        action: QueueAction,
        affected: Option<u64>,
        chosen: u64,
        row: Option<u64>,
    },
    /// A button was pressed while nothing was selected.
    NothingChosen,
    /// A next hop was paused.
    Paused,
    /// A name was paused that no next hop has now.
    PausedUnknown,
    /// A next hop was resumed.
    Resumed,
}

impl Notice {
    /// What came of an action on `chosen` recipients, or on one row that was chosen by itself.
    pub(super) fn of(
        action: QueueAction,
        progress: ActionProgress,
        chosen: u64,
        row: Option<RowId>,
    ) -> Self {
        let row = row.map(|row| row.0.unsigned_abs());
        let (affected, chosen, row) = match progress {
            ActionProgress::Done { affected } => (Some(affected), chosen, row),
            ActionProgress::GoesOn { chosen } => (None, chosen, None),
        };
        Self::Acted {
            action,
            affected,
            chosen,
            row,
        }
    }

    /// Its word in the URL.
    const fn word(self) -> &'static str {
        match self {
            Self::Acted { action, .. } => action.as_str(),
            Self::NothingChosen => "nothing",
            Self::Paused => "paused",
            Self::PausedUnknown => "paused_unknown",
            Self::Resumed => "resumed",
        }
    }

    /// For the URL.
    pub(super) fn pairs(self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![("done", self.word().to_owned())];
        if let Self::Acted {
            affected,
            chosen,
            row,
            ..
        } = self
        {
            let chosen = row.is_none().then_some(chosen);
            let numbers = [("affected", affected), ("chosen", chosen), ("row", row)];
            let numbers = numbers.into_iter();
            pairs.extend(numbers.filter_map(|(name, number)| Some((name, number?.to_string()))));
        }
        pairs
    }

    /// The notice of a URL, taken out of its query; none for one that the appliance never made.
    pub(super) fn take(pairs: &mut Pairs) -> Option<Self> {
        let done = pairs.take("done");
        let mut number = |name| pairs.take_number(name).ok().flatten();
        let (affected, chosen, row) = (number("affected"), number("chosen"), number("row"));
        let done = done?;
        let plain = [
            Self::NothingChosen,
            Self::Paused,
            Self::PausedUnknown,
            Self::Resumed,
        ];
        if let Some(plain) = plain.into_iter().find(|plain| plain.word() == done) {
            return Some(plain);
        }
        let chosen = match row {
            Some(_) => affected.map(|_| 1),
            None => chosen,
        };
        Some(Self::Acted {
            action: QueueAction::from_word(&done)?,
            affected,
            chosen: chosen?,
            row,
        })
    }

    /// What of the selection has been dealt with: one row, or a blank text for all of it.
    pub(super) fn dealt_with(self) -> Option<String> {
        match self {
            Self::Acted { row, .. } => Some(row.map_or_else(String::new, |row| row.to_string())),
            Self::NothingChosen | Self::Paused | Self::PausedUnknown | Self::Resumed => None,
        }
    }

    /// In words.
    pub(super) fn words(self) -> String {
        let words = match self {
            Self::Acted {
                action,
                affected,
                chosen,
                ..
            } => return acted(&Button::of(action), affected, chosen),
            Self::NothingChosen => "Nothing was selected, so nothing was done.",
            Self::Paused => {
                "The next hop is paused: its mail waits in the queue until it is resumed."
            }
            Self::PausedUnknown => {
                "Paused, although nothing has this name now: neither the settings nor the queue know \
                 such a next hop."
            }
            Self::Resumed => "The next hop is resumed: what waits for it is due now.",
        };
        words.to_owned()
    }
}

fn acted(button: &Button, affected: Option<u64>, chosen: u64) -> String {
    let (all, label) = (wording::recipients(chosen), button.label.to_lowercase());
    let Some(affected) = affected else {
        return format!("Under way for {all}: {label}. The audit will say how many it concerned.");
    };
    let done = button.done;
    match (affected, chosen.saturating_sub(affected)) {
        (_, 0) => format!("{done}: {all}."),
        (0, rest) => {
            let why = left_out("The recipient", "The recipients", rest);
            format!("Nothing to do: {label}. {why}")
        }
        (some, rest) => format!(
            "{done}: {} of {all}. {}",
            wording::count(some),
            left_out("The other one", "The others", rest)
        ),
    }
}

/// Why an action did not apply to some.
fn left_out(one: &str, several: &str, count: u64) -> String {
    let who = match count {
        1 => format!("{one} was"),
        _ => format!("{several} were"),
    };
    format!("{who} gone, or in a state that it does not concern.")
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
                affected: Some(3),
                chosen: 4,
                row: None,
            },
            Notice::Acted {
                action: QueueAction::Hold,
                affected: Some(0),
                chosen: 1,
                row: Some(17),
            },
            Notice::Acted {
                action: QueueAction::Return,
                affected: None,
                chosen: 100_000,
                row: None,
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
            affected: Some(affected),
            chosen,
            row: None,
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
        assert_eq!(acted(1, 1).words(), "Due now: 1 recipient.");
        assert!(acted(0, 1).words().contains("The recipient was gone"));
    }
}
