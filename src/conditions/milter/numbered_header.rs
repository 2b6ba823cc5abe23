//! Header fields by the numbers that milters give them.

use crate::conditions::header::Field;
use crate::conditions::verdict::Edit;

/// The header as Sendmail numbers it, which is what milters are written for.
///
/// * A position to insert at counts our Received field, which no milter is shown: 0 is above it, 1 right
///   below. In what travels ours stays the first, so that both come out below it.
/// * The n-th field of a name is counted without our Received field.
/// * A field that was removed keeps its number: a milter that removes the first and the second means
///   those that it was shown. A value given to it afterwards brings it back. (Postfix counts anew after
///   each removal; milters that remove from the last to the first are right with both.)
pub(super) struct NumberedHeader {
    slots: Vec<Slot>,
}

struct Slot {
    /// None: our Received field.
    name: Option<String>,
    is_there: bool,
}

impl Slot {
    fn named(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            is_there: true,
        }
    }

    fn is_named(&self, name: &str) -> bool {
        self.name
            .as_ref()
            .is_some_and(|own| own.eq_ignore_ascii_case(name))
    }

    /// It is one of the draft's fields.
    fn is_shown(&self) -> bool {
        self.is_there && self.name.is_some()
    }
}

impl NumberedHeader {
    /// The numbers of a draft with these fields.
    pub(super) fn of(fields: &[Field]) -> Self {
        let ours = Slot {
            name: None,
            is_there: true,
        };
        let theirs = fields.iter().map(|field| Slot::named(&field.name()));
        Self {
            slots: std::iter::once(ours).chain(theirs).collect(),
        }
    }

    /// A field behind all others.
    pub(super) fn add(&mut self, name: &str, field: Field) -> Edit {
        self.insert(self.slots.len(), name, field)
    }

    /// A field at a position; behind all others when there are fewer.
    pub(super) fn insert(&mut self, position: usize, name: &str, field: Field) -> Edit {
        let position = position.min(self.slots.len());
        let edit = self.insertion(position, field);
        self.slots.insert(position, Slot::named(name));
        edit
    }

    /// A change of the n-th field of a name; no new field: its removal. None when there is nothing to do.
    pub(super) fn change(&mut self, nth: usize, name: &str, new: Option<Field>) -> Option<Edit> {
        let numbered = self.slots.iter().enumerate();
        let mut named = numbered.filter(|(_, slot)| slot.is_named(name));
        let place = named.nth(nth.saturating_sub(1)).map(|(place, _)| place);
        let Some(place) = place else {
            // libmilter, smfi_chgheader: beyond the last one of its name it is a new field.
            return new.map(|field| self.add(name, field));
        };
        let before = self.slots[..place].iter();
        let number = 1 + before
            .filter(|slot| slot.is_shown() && slot.is_named(name))
            .count();
        let was_there = std::mem::replace(&mut self.slots[place].is_there, new.is_some());
        match (was_there, new) {
            (true, Some(field)) => Some(Edit::Change(name.to_owned(), number, field)),
            (true, None) => Some(Edit::Remove(name.to_owned(), number)),
            (false, Some(field)) => Some(self.insertion(place, field)),
            (false, None) => None,
        }
    }

    /// The edit that puts a field before the slot at this place.
    fn insertion(&self, place: usize, field: Field) -> Edit {
        let before = self.slots[..place].iter();
        match before.filter(|slot| slot.is_shown()).count() {
            // The header that arrived can stay where it is.
            0 => Edit::Prepend(field),
            position => Edit::Insert(position, field),
        }
    }
}
