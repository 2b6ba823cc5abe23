//! The changes that a milter wants, collected within bounds and put into the edits of a draft.

use super::change::{Modification, WrittenField};
use super::numbered_header::NumberedHeader;
use crate::conditions::header::Field;
use crate::conditions::verdict::Edit;
use crate::limits;

/// Changes in the order in which they came; a new body aside, whose place among them means nothing: see
/// [`super::incoming`].
#[derive(Debug, Default)]
pub(super) struct Changes {
    others: Vec<Modification>,
    /// Bytes of the fields among them.
    field_bytes: usize,
}

impl Changes {
    /// Takes one that is no part of a new body.
    ///
    /// # Errors
    /// When there are too many, or they are too large, in words that follow the milter's name.
    pub(super) fn take(&mut self, change: Modification) -> Result<(), String> {
        match change {
            Modification::Body(_) => unreachable!("only other changes come here"),
            Modification::AddField(ref field)
            | Modification::InsertField(_, ref field)
            | Modification::SetField(_, ref field) => {
                self.field_bytes += field.name.len() + field.value.len();
                field.check()?;
            }
            Modification::AddRecipient(_)
            | Modification::RemoveRecipient(_)
            | Modification::Sender(_) => {}
        }
        self.others.push(change);
        if self.others.len() > limits::MILTER_CHANGES || self.field_bytes > limits::HEADER_BYTES {
            return Err("it makes too many changes".to_owned());
        }
        Ok(())
    }

    /// How many there are of header fields, and how many of the envelope.
    pub(super) fn counts(&self) -> (usize, usize) {
        let is_of_envelope = |change: &&Modification| {
            matches!(
                change,
                Modification::AddRecipient(_)
                    | Modification::RemoveRecipient(_)
                    | Modification::Sender(_)
            )
        };
        let envelope = self.others.iter().filter(is_of_envelope).count();
        (self.others.len() - envelope, envelope)
    }

    /// As edits of a draft that has these fields.
    pub(super) fn into_edits(self, fields: &[Field], keeps_leading_space: bool) -> Vec<Edit> {
        let mut header = NumberedHeader::of(fields);
        let exact = |field: &WrittenField| match keeps_leading_space {
            true => Field::exact(&field.name, &field.value),
            false => Field::exact(&field.name, &[b" ", &field.value[..]].concat()),
        };
        let mut edits = Vec::new();
        for change in self.others {
            edits.extend(match change {
                Modification::AddField(field) => Some(header.add(&field.name, exact(&field))),
                Modification::InsertField(position, field) => {
                    Some(header.insert(position, &field.name, exact(&field)))
                }
                Modification::SetField(nth, field) => {
                    let new = (!field.value.is_empty()).then(|| exact(&field));
                    header.change(nth, &field.name, new)
                }
                Modification::AddRecipient(recipient) => Some(Edit::AddRecipient(recipient)),
                Modification::RemoveRecipient(address) => Some(Edit::RemoveRecipient(address)),
                Modification::Sender(sender) => Some(Edit::Sender(sender)),
                Modification::Body(_) => unreachable!("`take` has none"),
            });
        }
        edits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conditions::draft::Draft;
    use crate::conditions::testing::message;
    use crate::message::Recipient;
    use crate::smtp::address::{Mailbox, ReversePath};

    const CONTENT: &[u8] = b"A: 1\r\nTo: x\r\nTo: y\r\nTo: z\r\n\r\nbody\r\n";

    fn written(name: &str, value: &'static str) -> WrittenField {
        WrittenField {
            name: name.to_owned(),
            value: value.into(),
        }
    }

    fn insert(position: usize, value: &'static str) -> Modification {
        Modification::InsertField(position, written("I", value))
    }

    fn change(nth: usize, value: &'static str) -> Modification {
        Modification::SetField(nth, written("to", value))
    }

    fn collected(changes: Vec<Modification>) -> Changes {
        let mut collected = Changes::default();
        for change in changes {
            collected.take(change).expect("within bounds");
        }
        collected
    }

    /// What the changes make of the header of [`CONTENT`]: its fields, separated by blanks.
    async fn check(changes: Vec<Modification>, expected: &str) {
        let message = message("anna@example.org", &["bert@example.net"], CONTENT);
        let mut draft = Draft::of(message).await.expect("readable");
        let edits = collected(changes).into_edits(draft.fields(), true);
        draft.apply(edits).expect("each can be made");
        let fields = draft.fields().iter();
        let fields: Vec<&[u8]> = fields.map(|field| field.raw().trim_ascii_end()).collect();
        let found = String::from_utf8(fields.join(&b' ')).expect("text");
        assert_eq!(found.replace(": ", ":"), expected);
    }

    #[tokio::test]
    async fn positions_count_our_received_field() {
        let rest = "A:1 To:x To:y To:z";
        check(vec![insert(0, "0")], &format!("I:0 {rest}")).await;
        check(vec![insert(1, "1")], &format!("I:1 {rest}")).await;
        check(vec![insert(2, "2")], "A:1 I:2 To:x To:y To:z").await;
        check(vec![insert(5, "5")], &format!("{rest} I:5")).await;
        check(vec![insert(99, "9")], &format!("{rest} I:9")).await;
        let below = vec![insert(1, "1"), insert(1, "2"), insert(2, "3")];
        check(below, &format!("I:2 I:3 I:1 {rest}")).await;
        // Once something stands above our Received field, the place below it is one further down.
        let above = vec![insert(0, "0"), insert(2, "2"), insert(1, "1")];
        check(above, &format!("I:0 I:1 I:2 {rest}")).await;
        let added = Modification::AddField(written("B", "2"));
        check(vec![added, insert(6, "6")], &format!("{rest} B:2 I:6")).await;
    }

    #[tokio::test]
    async fn numbers_are_those_that_the_milter_was_shown() {
        check(vec![change(2, "n")], "A:1 To:x to:n To:z").await;
        check(vec![change(4, "n")], "A:1 To:x To:y To:z to:n").await;
        check(vec![change(4, "")], "A:1 To:x To:y To:z").await;
        check(vec![change(1, ""), change(2, "")], "A:1 To:z").await;
        check(vec![change(3, ""), change(2, "")], "A:1 To:x").await;
        check(vec![change(1, ""), change(3, "n")], "A:1 To:y to:n").await;
        check(vec![change(2, ""), change(2, "")], "A:1 To:x To:z").await;
        let back = vec![change(2, ""), change(2, "n")];
        check(back, "A:1 To:x to:n To:z").await;
        // What the milter has put in counts.
        let new = Modification::InsertField(0, written("To", "new"));
        check(vec![new, change(2, "n")], "To:new A:1 to:n To:y To:z").await;
    }

    #[tokio::test]
    async fn an_inserted_field_leaves_the_header_where_it_is() {
        let message = message("anna@example.org", &["bert@example.net"], CONTENT);
        let draft = Draft::of(message).await.expect("readable");
        let fields = draft.fields();
        for (keeps_leading_space, expected) in [(true, "I:v"), (false, "I: v")] {
            let edits = collected(vec![insert(1, "v")]).into_edits(fields, keeps_leading_space);
            let [Edit::Prepend(field)] = &edits[..] else {
                panic!("{edits:?}");
            };
            assert_eq!(field.raw().trim_ascii_end(), expected.as_bytes());
        }
    }

    #[test]
    fn the_envelope_is_changed() {
        let mailbox = |text| Mailbox::parse(text).expect("a mailbox");
        let carl = Recipient::plain(mailbox("carl@example.net"));
        let changes = collected(vec![
            Modification::AddRecipient(carl.clone()),
            Modification::RemoveRecipient(mailbox("bert@example.net")),
            Modification::Sender(ReversePath::Null),
            change(1, "n"),
        ]);
        assert_eq!(changes.counts(), (1, 3));
        let edits = changes.into_edits(&[], true);
        let expected = [
            Edit::AddRecipient(carl),
            Edit::RemoveRecipient(mailbox("bert@example.net")),
            Edit::Sender(ReversePath::Null),
            Edit::Prepend(Field::exact("to", b"n")),
        ];
        assert_eq!(edits, expected);
    }

    #[test]
    fn changes_are_bounded() {
        let mut changes = Changes::default();
        for _ in 0..limits::MILTER_CHANGES {
            assert_eq!(changes.take(insert(0, "v")), Ok(()));
        }
        assert!(changes.take(insert(0, "v")).is_err());
        let large = WrittenField {
            name: "X".to_owned(),
            value: vec![b'x'; limits::HEADER_BYTES].into(),
        };
        let taken = Changes::default().take(Modification::AddField(large));
        assert!(taken.is_err());
    }

    proptest! {
        #[test]
        fn any_changes_can_be_applied(changes in prop::collection::vec((0..3_u8, 0..7_usize, 0..2_usize), 0..9)) {
            let header = crate::conditions::header::Header::read(CONTENT);
            let changes = changes.into_iter().map(|(kind, number, value)| match kind {
                0 => insert(number, ["", "v"][value]),
                1 => change(number, ["", "v"][value]),
                _ => Modification::AddField(written("To", ["", "v"][value])),
            });
            let edits = collected(changes.collect()).into_edits(&header.fields, false);
            prop_assert!(edits.len() < 9);
        }
    }
}
