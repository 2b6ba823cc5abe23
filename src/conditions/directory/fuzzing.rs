//! What a directory says, for the fuzzer.

use super::ber::{Elements, element};
use super::message::{LdapMessage, LdapResponse};
use crate::limits;

/// What a directory says is read within its bounds; each element is read again as itself.
pub fn read_directory_message(content: &[u8]) {
    if let Ok(message) = LdapMessage::read(content) {
        match message.response {
            LdapResponse::Found(entry) => assert!(entry.values.len() <= limits::DIRECTORY_VALUES),
            LdapResponse::Bound(outcome)
            | LdapResponse::Done(outcome)
            | LdapResponse::Extended(outcome) => {
                assert!(!outcome.told().contains(char::is_control));
            }
            LdapResponse::Other => {}
        }
    }
    let mut elements = Elements(content);
    while let Ok((tag, content)) = elements.next() {
        let written = element(tag, content);
        assert_eq!(Elements(&written).next(), Ok((tag, content)));
    }
}
