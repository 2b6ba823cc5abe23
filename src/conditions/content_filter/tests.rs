use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::conditions::testing::{all_taken, message, settings};
use crate::message::MemoryBudget;

const MESSAGE: &[u8] = b"Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n\
    X-Content-Filter: forged\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Transfer-Encoding: base64\r\n\r\nQ29uZmlkZW50aWFsIQ==\r\n\
    --b\r\nContent-Type: application/zip; name*=utf-8''b%C3%B6se.zip\r\n\r\nxx\r\n--b--\r\n";

fn rules(rules: Value) -> Arc<[PreparedRule]> {
    let patch = json!({"content_filter": {"rules": rules}});
    Arc::clone(&settings(patch).conditions().content_rules)
}

async fn draft(content: &'static [u8]) -> Draft {
    let message = message("anna@example.org", &["bert@example.net"], content);
    Draft::of(message).await.expect("readable")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// The verdict of these rules on [`MESSAGE`], in words.
async fn check(given: Value, expected: &str) {
    let draft = draft(MESSAGE).await;
    let filter = FairSemaphore::new(limits::CONTENT_LOOKS);
    let verdict = super::check(&filter, &rules(given.clone()), &draft, soon()).await;
    let verdict = verdict.behind(draft.forged(CHECK.tags));
    let answer = match &verdict.answer {
        // The field that it came with is not ours.
        CheckAnswer::Pass if verdict.edits == [Edit::RemoveAll(TAG)] => "pass".to_owned(),
        CheckAnswer::Pass => format!("{:?}", verdict.edits),
        CheckAnswer::Refuse(reply) | CheckAnswer::Defer(reply) => reply.to_string(),
        CheckAnswer::Quarantine => "quarantine".to_owned(),
        CheckAnswer::CannotTell => "cannot tell".to_owned(),
        CheckAnswer::NotAsked => "not asked".to_owned(),
    };
    let found = format!("{answer} | {}", verdict.words);
    assert_eq!(found, expected, "{given}");
}

/// A rule that looks at this part.
fn rule(name: &str, part: &str, pattern: &str, action: &str) -> Value {
    let mut rule = json!({"name": name, "part": part, "action": action});
    match part {
        "size" => rule["larger_than_bytes"] = json!(pattern.parse::<u64>().expect("a number")),
        "header" => {
            let (field, pattern) = pattern.split_once('~').expect("a field");
            rule["header_field"] = json!(field);
            rule["pattern"] = json!(pattern);
        }
        _ => rule["pattern"] = json!(pattern),
    }
    rule
}

#[tokio::test]
async fn every_part_of_a_message_is_looked_at() {
    for (part, pattern, what) in [
        ("header", "subject~^grüße$", Some("subject matches")),
        ("header", "subject~utf-8", None),
        ("header", "To~.", None),
        (
            "any_header",
            "^subject: GRÜSSE|^x-",
            Some("X-Content-Filter matches"),
        ),
        ("any_header", "received: by us", None),
        ("text", "confidential", Some("text/plain matches")),
        ("text", "Q29u", None),
        (
            "attachment_name",
            r"ö.*\.zip$",
            Some("“böse.zip” is attached"),
        ),
        (
            "attachment_type",
            "^application/(zip|rar)$",
            Some("application/zip is attached"),
        ),
        ("attachment_type", "text", None),
        ("size", "100", Some("247 B is larger")),
        ("size", "1000", None),
    ] {
        let given = json!([rule("mine", part, pattern, "quarantine")]);
        let expected = match what {
            Some(what) => format!("quarantine | rule “mine”: {what}"),
            None => "pass | ".to_owned(),
        };
        check(given, &expected).await;
    }
}

#[tokio::test]
async fn each_action_does_what_it_says() {
    let with = |action: &str, argument: Option<&str>| {
        let mut rule = rule("mine", "text", "confidential", action);
        rule["argument"] = json!(argument);
        json!([rule])
    };
    let sentence = "rule “mine”: text/plain matches";
    for (action, argument, expected) in [
        (
            "refuse",
            Some("Send this to nobody"),
            format!("554 5.7.1 Send this to nobody | {sentence}"),
        ),
        (
            "refuse",
            None,
            format!("554 5.7.1 Refused because of its content | {sentence}"),
        ),
        ("quarantine", None, format!("quarantine | {sentence}")),
        ("pass", None, format!("pass | {sentence}")),
    ] {
        check(with(action, argument), &expected).await;
    }
    let filter = FairSemaphore::new(limits::CONTENT_LOOKS);
    let draft = draft(MESSAGE).await;
    for (argument, value) in [(None, "mine"), (Some("secret"), "secret")] {
        let tagging = rules(with("tag", argument));
        let verdict = super::check(&filter, &tagging, &draft, soon());
        let field = Edit::Prepend(Field::new(TAG, value));
        let forged = Edit::RemoveAll(TAG);
        let verdict = verdict.await.behind(draft.forged(CHECK.tags));
        assert_eq!(verdict.edits, [forged, field]);
    }
    let redirect = with("redirect", Some("abuse@example.net"));
    let verdict = super::check(&filter, &rules(redirect), &draft, soon()).await;
    let verdict = verdict.behind(draft.forged(CHECK.tags));
    let address = crate::smtp::address::Mailbox::parse("abuse@example.net").expect("a mailbox");
    let forged = Edit::RemoveAll(TAG);
    assert_eq!(verdict.edits, [forged, Edit::Redirect(address)]);
    assert_eq!(
        verdict.words,
        format!("redirected to abuse@example.net, {sentence}")
    );
}

#[tokio::test]
async fn the_first_rule_that_matches_wins() {
    let text = || rule("text", "text", "confidential", "refuse");
    let size = || rule("size", "size", "1", "quarantine");
    let allowed = || rule("allowed", "header", "Subject~grüße", "pass");
    let other = || rule("other", "text", "nothing of it", "refuse");
    let by_size = "quarantine | rule “size”: 247 B is larger";
    check(json!([size(), text()]), by_size).await;
    check(json!([other(), size(), text()]), by_size).await;
    let by_text = "554 5.7.1 Refused because of its content | rule “text”: text/plain matches";
    check(json!([text(), size()]), by_text).await;
    let allows = "pass | rule “allowed”: Subject matches";
    check(json!([allowed(), text(), size()]), allows).await;
    check(json!([other(), allowed(), text()]), allows).await;
    check(json!([other()]), "pass | ").await;
}

#[tokio::test]
async fn a_rule_that_cannot_be_asked_is_stepped_over_by_strict_ones_only() {
    // Its parts cannot be looked into: a header in it is too long.
    let content = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: {}\r\n\r\n",
        "x".repeat(limits::HEADER_BYTES)
    );
    let content: &'static [u8] = Box::leak(content.into_bytes().into_boxed_slice());
    let size = |action: &str| {
        let mut rule = rule("size", "size", "1", action);
        rule["argument"] = json!("a@example.net");
        rule
    };
    let text = |action: &str| rule("text", "text", "x", action);
    for (given, expected) in [
        (json!([text("refuse")]), "cannot tell"),
        (json!([text("tag"), size("refuse")]), "rule “size”"),
        (json!([text("tag"), size("quarantine")]), "rule “size”"),
        (json!([text("pass"), size("refuse")]), "cannot tell"),
        (json!([text("refuse"), size("pass")]), "cannot tell"),
        (json!([text("refuse"), size("redirect")]), "cannot tell"),
        (json!([size("redirect"), text("refuse")]), "rule “size”"),
        (json!([size("pass"), text("refuse")]), "rule “size”"),
    ] {
        let draft = draft(content).await;
        let filter = FairSemaphore::new(limits::CONTENT_LOOKS);
        let verdict = super::check(&filter, &rules(given.clone()), &draft, soon()).await;
        let cannot_tell = matches!(verdict.answer, CheckAnswer::CannotTell);
        assert_eq!(cannot_tell, expected == "cannot tell", "{given}");
        let named = if cannot_tell {
            "rule “text” cannot be asked: a header in it is longer"
        } else {
            expected
        };
        assert!(verdict.words.contains(named), "{given}: {}", verdict.words);
    }
}

#[tokio::test]
async fn parts_are_only_looked_into_when_a_rule_asks() {
    let draft = draft(MESSAGE).await;
    let filter = FairSemaphore::new(limits::CONTENT_LOOKS);
    // Nobody would get a place.
    let _places = all_taken(&filter, limits::CONTENT_LOOKS).await;
    let text = rule("text", "text", "confidential", "refuse");
    let size = rule("size", "size", "1", "quarantine");
    let given = rules(json!([size, text]));
    let verdict = super::check(&filter, &given, &draft, soon()).await;
    assert!(matches!(verdict.answer, CheckAnswer::Quarantine));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_deadline() {
    let draft = draft(MESSAGE).await;
    let filter = FairSemaphore::new(limits::CONTENT_LOOKS);
    let _places = all_taken(&filter, limits::CONTENT_LOOKS).await;
    let began = Instant::now();
    let deadline = began + Duration::from_secs(3);
    let text = rule("text", "text", "confidential", "refuse");
    let verdict = super::check(&filter, &rules(json!([text])), &draft, deadline).await;
    assert!(matches!(verdict.answer, CheckAnswer::NotAsked));
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

/// One client's messages, however many and however slow to look into, leave half of the places to others.
#[tokio::test]
async fn one_client_does_not_keep_others_from_being_looked_into() {
    let filter = FairSemaphore::new(limits::CONTENT_LOOKS);
    let party = draft(MESSAGE).await.arrived().client.party();
    let mut hog = Vec::new();
    for _ in 0..limits::CONTENT_LOOKS / 2 {
        hog.push(filter.take(party.clone()).await);
    }
    let text = rules(json!([rule("text", "text", "confidential", "refuse")]));
    let share = Reservation::of(MemoryBudget::new(1 << 20), TrustLevel::Trusted);
    let answers = test(
        &filter,
        Arc::clone(&text),
        Bytes::from_static(MESSAGE),
        share,
    );
    assert!(matches!(answers.await.ruling(), Ruling::Won(..)));
    let deadline = Instant::now() + Duration::from_millis(50);
    let own = draft(MESSAGE).await;
    let verdict = super::check(&filter, &text, &own, deadline).await;
    assert!(
        matches!(verdict.answer, CheckAnswer::NotAsked),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_look_ends_at_its_deadline() {
    let draft = draft(MESSAGE).await;
    let filter = FairSemaphore::new(limits::CONTENT_LOOKS);
    let given = json!([
        rule("text", "text", "confidential", "refuse"),
        rule("header", "header", "Subject~.", "refuse"),
    ]);
    let verdict = super::check(&filter, &rules(given), &draft, Instant::now()).await;
    assert!(
        matches!(verdict.answer, CheckAnswer::NotAsked),
        "{verdict:?}"
    );
    // The places are given back.
    all_taken(&filter, limits::CONTENT_LOOKS).await;
}

#[tokio::test]
async fn what_is_too_large_is_not_looked_into() {
    let draft = draft(MESSAGE).await;
    let share = draft.arrived().body.another_share();
    let content = content_of(draft.reader(), limits::CONTENT_BYTES + 1, share, soon());
    let no_answer = content.await.expect_err("too large");
    let why = "it is larger than 32 MiB".to_owned();
    assert_eq!(no_answer, NoAnswer::CannotTell(why));
}

#[tokio::test]
async fn what_there_is_no_memory_for_is_not_looked_into() {
    let filter = FairSemaphore::new(limits::CONTENT_LOOKS);
    let given = rules(json!([rule("a", "text", "confidential", "refuse")]));
    let size = draft(MESSAGE).await.message().size_bytes();
    // For the message itself, for its longest text as well, and for neither.
    for (budget_bytes, says) in [
        (8 * size, RuleSays::Matches("text/plain matches".into())),
        (size + 5, RuleSays::CannotBeAsked(NO_MEMORY.to_owned())),
        (size - 1, RuleSays::CannotBeAsked(NO_MEMORY.to_owned())),
    ] {
        let budget = MemoryBudget::new(budget_bytes);
        let share = Reservation::of(Arc::clone(&budget), TrustLevel::Trusted);
        let draft = draft(MESSAGE).await;
        let content = content_of(draft.reader(), size, share.another(), soon());
        let answers = RuleAnswers::new(Arc::clone(&given), false);
        let asker = draft.asker(soon(), WhenUnavailable::Defer);
        let answers = ask_about_parts(&filter, answers, content, share, asker);
        let answers = answers.await;
        let (_, found) = answers.all().next().expect("there is one");
        assert_eq!((budget_bytes, found), (budget_bytes, &says));
        assert_eq!(budget.used_bytes(), 0);
    }
}

#[tokio::test]
async fn a_hostile_header_is_asked_about_aside() {
    let header = "X:y\r\n".repeat(limits::HEADER_BYTES / 5) + "\r\n";
    let content: &'static [u8] = Box::leak(header.into_bytes().into_boxed_slice());
    let draft = draft(content).await;
    let filter = FairSemaphore::new(limits::CONTENT_LOOKS);
    let given: Vec<Value> = (0..10)
        .map(|number| rule(&number.to_string(), "any_header", "nothing", "refuse"))
        .collect();
    let given = rules(json!(given));
    let verdict = super::check(&filter, &given, &draft, soon()).await;
    assert!(matches!(verdict.answer, CheckAnswer::Pass), "{verdict:?}");
    let _places = all_taken(&filter, limits::CONTENT_LOOKS).await;
    let now = Instant::now();
    let verdict = super::check(&filter, &given, &draft, now).await;
    assert!(
        matches!(verdict.answer, CheckAnswer::NotAsked),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_test_asks_all_rules() {
    let filter = FairSemaphore::new(limits::CONTENT_LOOKS);
    let given = rules(json!([
        rule("a", "text", "nothing", "refuse"),
        rule("b", "text", "confidential", "tag"),
        rule("c", "size", "1", "refuse"),
    ]));
    let share = Reservation::empty(MemoryBudget::new(1 << 20));
    let answers = test(&filter, given, Bytes::from_static(MESSAGE), share).await;
    let says: Vec<RuleSays> = answers.all().map(|(_, says)| says.clone()).collect();
    assert_eq!(
        says,
        [
            RuleSays::DoesNotMatch,
            RuleSays::Matches("text/plain matches".into()),
            RuleSays::Matches("247 B is larger".into()),
        ]
    );
    let Ruling::Won(rule, _) = answers.ruling() else {
        panic!("one wins");
    };
    assert_eq!(rule.name, "b");
}
