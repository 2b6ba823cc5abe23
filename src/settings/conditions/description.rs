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
/// No field has a default that could let a message past a check: a condition that forgets one does not compile.
pub struct ConditionPolicy {
    /// The feature is on.
    pub is_on: bool,
    /// Some message may be concerned. Where none can, no message is looked at.
    pub concerns_any: bool,
    /// Messages it concerns take the standard path.
    pub disables_fast_path: bool,
    /// It has to see the content before a message is taken, so that no message that it may concern is cut
    /// through.
    pub needs_content: bool,
    /// What becomes of a message when the check cannot tell.
    pub when_unavailable: WhenUnavailable,
    /// The longest wait for its check; none: it waits for nothing.
    pub timeout: Option<Duration>,
}

/// The settings of a condition.
pub trait ConditionSettings {
    /// What they say of it.
    fn policy(&self, directory: &Directory) -> ConditionPolicy;

    /// Notes what does not hold beside the rows of its tables.
    fn validate(&self, _directory: &Directory, _errors: &mut FieldErrors) {}

    /// How many conditions there are of its kind.
    fn count(&self) -> usize {
        1
    }

    /// What the one at this position is called when it has a name of its own.
    fn name_at(&self, _position: usize) -> Option<&str> {
        None
    }

    /// What its state means for the path of messages, for pages; none when nothing.
    fn path_words(&self, policy: &ConditionPolicy) -> Option<&'static str> {
        policy.is_on.then_some(match policy.disables_fast_path {
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
