//! Paths: what is accepted means the same when it is read again, and cannot leave its brackets.

#![no_main]

use fastpath::smtp::address::{ForwardPath, Mailbox, ReversePath};
use fastpath::smtp::command::Command;
use fastpath::smtp::xtext;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(mailbox) = Mailbox::parse(text) {
        assert_eq!(mailbox.as_str(), text);
        assert_eq!(
            format!("{}@{}", mailbox.local_part(), mailbox.domain()),
            text
        );
        let line = format!("MAIL FROM:<{text}> SMTPUTF8 SIZE=1");
        match Command::parse(line.as_bytes(), false) {
            Ok(Command::Mail(mail)) => {
                assert_eq!(mail.from, ReversePath::Mailbox(mailbox));
                assert_eq!(mail.size, Some(1));
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    if let Ok(path) = ReversePath::parse(text) {
        assert_eq!(ReversePath::parse(path.as_str()), Ok(path.clone()));
    }
    if let Ok(path) = ForwardPath::parse(text) {
        assert_eq!(ForwardPath::parse(path.as_str()), Ok(path.clone()));
    }
    assert_eq!(xtext::decode(&xtext::encode(text)).as_deref(), Some(text));
    assert!(xtext::decode(text).is_none() || xtext::is_valid(text));
});
