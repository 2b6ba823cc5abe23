//! What is said of each condition once: everything that lists, checks, shows or documents conditions is
//! made from it.

use std::fmt;
use std::time::Duration;

use super::{ConditionKind, Directory, WhenUnavailable};
use crate::settings::catalogue::{EntryList, SettingGroup, SettingSection};
use crate::settings::{FieldErrors, SettingsDocument};

/// A condition in the words of pages, reasons and settings.
pub struct ConditionDescription {
    /// Which condition.
    pub kind: ConditionKind,
    /// The word in reasons, in the trail and in the settings.
    pub name: &'static str,
    /// The title of its page.
    pub title: &'static str,
    /// What it does with a message, in sentences.
    pub summary: &'static str,
    /// The fields of its page.
    pub groups: &'static [SettingGroup],
    /// Its lists with a page for each entry.
    pub lists: &'static [EntryList],
    /// Its part of the settings.
    pub settings: fn(&SettingsDocument) -> &dyn ConditionSettings,
}

impl ConditionDescription {
    /// Its section of the settings.
    #[must_use]
    pub const fn section(&self) -> SettingSection {
        SettingSection {
            title: self.title,
            about: self.summary,
            groups: self.groups,
            lists: self.lists,
            elsewhere: &[],
        }
    }
}

/// What the settings of a condition say of it.
///
/// Nothing here has a default that could let a message past a check: a condition that forgets to answer does
/// not compile.
pub trait ConditionSettings {
    /// The feature is on.
    fn is_on(&self) -> bool;

    /// Messages it concerns take the standard path.
    fn disables_fast_path(&self) -> bool;

    /// It has to see the content before a message is taken, so that no message that it may concern is cut
    /// through.
    fn needs_content(&self) -> bool;

    /// What becomes of a message when the check cannot tell.
    fn when_unavailable(&self) -> WhenUnavailable;

    /// The longest wait for its check; none: it waits for nothing.
    fn timeout(&self, directory: &Directory) -> Option<Duration>;

    /// Notes every field that does not hold.
    fn validate(&self, directory: &Directory, errors: &mut FieldErrors);

    /// Some message may be concerned. Where none can, no message is looked at.
    fn concerns_any(&self) -> bool {
        self.is_on()
    }

    /// How many conditions there are of its kind.
    fn count(&self) -> usize {
        1
    }

    /// What the one at this position is called when it has a name of its own.
    fn name_at(&self, _position: usize) -> Option<&str> {
        None
    }

    /// What its state means for the path of messages, for pages; none when nothing.
    fn path_words(&self) -> Option<&'static str> {
        self.is_on().then_some(match self.disables_fast_path() {
            true => "standard path",
            false => "checked on the fast path",
        })
    }
}

impl fmt::Debug for ConditionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
