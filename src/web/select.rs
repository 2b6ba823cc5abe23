//! The entries of a choice on a page.

use super::wording;

/// One `<option>` of a `<select>`.
pub(super) struct SelectOption {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) is_chosen: bool,
}

impl SelectOption {
    /// The known ones, as value and label, and the chosen one if it is another.
    pub(super) fn all(known: impl Iterator<Item = (String, String)>, chosen: &str) -> Vec<Self> {
        let mut all: Vec<Self> = known
            .map(|(value, label)| Self {
                is_chosen: value == chosen,
                value,
                label,
            })
            .collect();
        if !chosen.is_empty() && !all.iter().any(|option| option.is_chosen) {
            all.push(Self {
                value: chosen.to_owned(),
                label: wording::word(chosen),
                is_chosen: true,
            });
        }
        all
    }
}
