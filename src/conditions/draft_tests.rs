use super::super::testing::{message, new_body};
use super::*;
use crate::message::{Body, MemoryBudget};
use crate::smtp::address::Mailbox;

const CONTENT: &[u8] = b"Subject: old\r\nTo: a\r\nTo: b\r\n\r\nbody\r\n";

async fn read(draft: &Draft) -> String {
    let mut reader = draft.reader();
    let mut all = Vec::new();
    while let Some(block) = reader.next().await.expect("readable") {
        all.extend_from_slice(&block);
    }
    String::from_utf8(all).expect("text")
}

async fn check(content: &'static [u8], edits: Vec<Edit>, expected: &str) {
    let message = message("anna@example.org", &["bert@example.net"], content);
    let mut draft = Draft::of(message).await.expect("readable");
    draft.apply(edits).expect("each can be made");
    assert_eq!(read(&draft).await, expected);
    let travels = draft.message();
    assert_eq!(travels.size_bytes(), expected.len() as u64);
}

#[tokio::test]
async fn nothing_changed_is_what_arrived() {
    let message = message("anna@example.org", &["bert@example.net"], CONTENT);
    let draft = Draft::of(Arc::clone(&message)).await.expect("readable");
    assert!(Arc::ptr_eq(&draft.message(), &message));
}

#[tokio::test]
async fn fields_are_put_before_and_changed() {
    let tag = || Edit::Prepend(Field::new("X-Tag", "yes"));
    let received = "Received: by us;\r\n\tnow\r\n";
    let arrived = String::from_utf8_lossy(CONTENT);
    check(
        CONTENT,
        vec![tag()],
        &format!("{received}X-Tag: yes\r\n{arrived}"),
    )
    .await;
    let change =
        |name: &str, nth, value| Edit::Change(name.to_owned(), nth, Field::new(name, value));
    for (edits, header) in [
        (
            vec![tag(), change("subject", 1, "new")],
            "X-Tag: yes\r\nsubject: new\r\nTo: a\r\nTo: b\r\n",
        ),
        (
            vec![change("To", 2, "c"), tag()],
            "X-Tag: yes\r\nSubject: old\r\nTo: a\r\nTo: c\r\n",
        ),
        (
            vec![change("Cc", 1, "c")],
            "Subject: old\r\nTo: a\r\nTo: b\r\nCc: c\r\n",
        ),
        (
            vec![Edit::Remove("TO".into(), 1)],
            "Subject: old\r\nTo: b\r\n",
        ),
        (
            vec![tag(), Edit::RemoveAll("to")],
            "X-Tag: yes\r\nSubject: old\r\n",
        ),
        (
            vec![Edit::Insert(1, Field::new("X", "1"))],
            "Subject: old\r\nX: 1\r\nTo: a\r\nTo: b\r\n",
        ),
    ] {
        check(CONTENT, edits, &format!("{received}{header}\r\nbody\r\n")).await;
    }
}

#[tokio::test]
async fn a_body_is_replaced_and_the_header_stays() {
    let received = "Received: by us;\r\n\tnow\r\n";
    let body = || Edit::ReplaceBody(new_body("new\r\nlines\r\n"));
    let expected = format!("{received}Subject: old\r\nTo: a\r\nTo: b\r\n\r\nnew\r\nlines\r\n");
    check(CONTENT, vec![body()], &expected).await;
    let tag = Edit::Prepend(Field::new("X-Tag", "yes"));
    let expected =
        format!("{received}X-Tag: yes\r\nSubject: old\r\nTo: a\r\nTo: b\r\n\r\nnew\r\nlines\r\n");
    check(CONTENT, vec![body(), tag], &expected).await;
}

#[tokio::test]
async fn the_body_is_read_by_itself_as_it_is_now() {
    let message = message("anna@example.org", &["bert@example.net"], CONTENT);
    let mut draft = Draft::of(message).await.expect("readable");
    for (edit, expected) in [
        (Edit::Remove("Subject".into(), 1), "\r\nbody\r\n"),
        (Edit::ReplaceBody(new_body("new\r\n")), "\r\nnew\r\n"),
    ] {
        draft.apply(vec![edit]).expect("each can be made");
        let mut reader = draft.body_reader();
        let mut body = Vec::new();
        while let Some(block) = reader.next().await.expect("readable") {
            body.extend_from_slice(&block);
        }
        assert_eq!(body, expected.as_bytes());
    }
}

/// A message may be all header: what forges a tag in it is taken out as anywhere.
#[tokio::test]
async fn a_header_with_nothing_behind_it_is_changed() {
    let received = "Received: by us;\r\n\tnow\r\n";
    let content: &[u8] = b"Subject: x\r\nX-Tag: forged\r\n";
    let edits = vec![
        Edit::RemoveAll("X-Tag"),
        Edit::Insert(9, Field::new("X-Tag", "ours")),
    ];
    let expected = format!("{received}Subject: x\r\nX-Tag: ours\r\n");
    check(content, edits, &expected).await;
    let edits = vec![Edit::ReplaceBody(new_body("new\r\n"))];
    let expected = format!("{received}Subject: x\r\nX-Tag: forged\r\n\r\nnew\r\n");
    check(content, edits, &expected).await;
}

/// What becomes of changes that cannot be made: nobody takes the message as if they were.
async fn check_not_applied(content: &'static [u8], edits: Vec<Edit>) -> NotApplied {
    let message = message("anna@example.org", &["bert@example.net"], content);
    let mut draft = Draft::of(message).await.expect("readable");
    draft.apply(edits).expect_err("they cannot be made")
}

#[tokio::test]
async fn a_header_without_an_end_is_not_rewritten() {
    let header: &'static [u8] = b"X: y\r\n".repeat(limits::HEADER_BYTES / 6 + 1).leak();
    for edit in [
        Edit::Remove("X".into(), 1),
        Edit::RemoveAll("X"),
        Edit::Insert(1, Field::new("X", "1")),
        Edit::Change("X".into(), 1, Field::new("X", "1")),
    ] {
        let error = check_not_applied(header, vec![edit.clone()]).await;
        assert!(matches!(error, NotApplied::EndlessHeader), "{edit:?}");
        check_not_applied(b"Subject: cut", vec![edit]).await;
    }
}

#[tokio::test]
async fn whoever_is_added_gets_the_message_or_nobody_does() {
    let added = |number: usize| {
        let address = format!("r{number}@example.net");
        let address = Mailbox::parse(&address).expect("a mailbox");
        Edit::AddRecipient(Recipient::plain(address))
    };
    let message = message("anna@example.org", &["r0@example.net"], CONTENT);
    let mut draft = Draft::of(message).await.expect("readable");
    let most = limits::RECIPIENTS_ADDED_TO;
    // Each twice, the one that is there already among them.
    let edits: Vec<Edit> = (0..most).chain(0..most).map(added).collect();
    draft.apply(edits).expect("room");
    assert_eq!(draft.message().envelope.recipients.len(), most);
    let error = draft.apply(vec![added(most)]);
    assert!(
        matches!(error, Err(NotApplied::TooManyRecipients)),
        "{error:?}"
    );
    // One that has gone makes room, and may come back.
    let gone = Mailbox::parse("r7@example.net").expect("a mailbox");
    let edits = vec![Edit::RemoveRecipient(gone), added(7), added(7)];
    draft.apply(edits).expect("room");
    assert_eq!(draft.message().envelope.recipients.len(), most);
}

#[tokio::test]
async fn the_envelope_is_changed() {
    let mailbox = |text: &str| Mailbox::parse(text).expect("a mailbox");
    let message = message("anna@example.org", &["bert@example.net"], CONTENT);
    let mut draft = Draft::of(message).await.expect("readable");
    let carl = Recipient::plain(mailbox("carl@example.net"));
    let edits = vec![
        Edit::AddRecipient(carl.clone()),
        Edit::AddRecipient(carl),
        Edit::RemoveRecipient(mailbox("bert@example.net")),
        Edit::AddRecipient(Recipient::plain(mailbox("dora@example.net"))),
        Edit::RefuseRecipient(mailbox("dora@example.net"), Reply::RELAY_DENIED),
        Edit::RefuseRecipient(mailbox("emil@example.net"), Reply::RELAY_DENIED),
        Edit::NameRecipients,
    ];
    draft.apply(edits).expect("each can be made");
    let travels = draft.message();
    let recipients = travels.envelope.recipients.iter();
    let recipients: Vec<&str> = recipients.map(|one| one.address.as_str()).collect();
    assert_eq!(recipients, ["carl@example.net"]);
    let prefix = travels.prefix_for(&[0]);
    let expected = "Received: by us\r\n\tfor <carl@example.net>;\r\n\tnow\r\n";
    assert_eq!(&prefix[..], expected.as_bytes());
    assert_eq!(draft.arrived().envelope.recipients.len(), 1);
    let dora = Recipient::plain(mailbox("dora@example.net"));
    assert_eq!(draft.refused(), [(dora, Reply::RELAY_DENIED)]);
}

#[tokio::test]
async fn a_header_of_very_many_fields_is_in_the_budget() {
    let with_fields = |fields: usize, budget_bytes: u64| {
        let budget = MemoryBudget::new(budget_bytes);
        let content = [&b"a:\r\n".repeat(fields)[..], b"\r\nbody\r\n"].concat();
        let mut message = (*message("anna@example.org", &["bert@example.net"], b"")).clone();
        let share = Reservation::empty(Arc::clone(&budget));
        message.body = Arc::new(Body::in_memory(vec![content.into()], share));
        (budget, Arc::new(message))
    };
    let (budget, ordinary) = with_fields(100, 0);
    let draft = Draft::of(ordinary).await.expect("it asks for nothing");
    assert_eq!(budget.used_bytes(), 0);
    drop(draft);

    let (budget, large) = with_fields(60_000, 1 << 24);
    let draft = Draft::of(large).await.expect("there is memory");
    assert!(budget.used_bytes() > 60_000 * 64, "{}", budget.used_bytes());
    drop(draft);
    assert_eq!(budget.used_bytes(), 0);

    let (budget, large) = with_fields(60_000, 1 << 20);
    let error = Draft::of(large).await.expect_err("there is none");
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    assert_eq!(budget.used_bytes(), 0);
}

#[tokio::test]
async fn a_large_header_that_is_rewritten_is_in_the_budget() {
    let budget = MemoryBudget::new(1 << 24);
    let content = [&b"A: some words\r\n".repeat(10_000)[..], b"\r\nbody\r\n"].concat();
    let mut message = (*message("anna@example.org", &["bert@example.net"], b"")).clone();
    let share = Reservation::empty(Arc::clone(&budget));
    message.body = Arc::new(Body::in_memory(vec![content.into()], share));
    let mut draft = Draft::of(Arc::new(message)).await.expect("readable");
    let before = budget.used_bytes();
    draft
        .apply(vec![Edit::Remove("A".into(), 1)])
        .expect("each can be made");
    let travels = draft.message();
    let prefix = travels.prefix.len() as u64;
    assert_eq!(budget.used_bytes(), before + prefix);
    drop((draft, travels));
    assert_eq!(budget.used_bytes(), 0);
}
