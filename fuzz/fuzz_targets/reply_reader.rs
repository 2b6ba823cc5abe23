//! A peer's replies: cuts do not matter, and what is passed on is fit for a client.

#![no_main]

use bytes::BytesMut;
use fastpath::smtp::capabilities::Capabilities;
use fastpath::smtp::reply::Reply;
use fastpath::smtp::reply_reader::{ReplyError, ReplyReader};
use libfuzzer_sys::fuzz_target;

fn read(pieces: &[&[u8]]) -> Vec<Result<Reply, ReplyError>> {
    let mut reader = ReplyReader::new();
    let mut buffer = BytesMut::new();
    let mut replies = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(reply) = reader.next(&mut buffer) {
            let failed = reply.is_err();
            replies.push(reply);
            if failed {
                return replies;
            }
        }
    }
    replies
}

fuzz_target!(|input: &[u8]| {
    let whole = read(&[input]);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(read(&bytes), whole);

    for reply in whole.into_iter().flatten() {
        assert!((200..600).contains(&reply.code));
        let _ = Capabilities::parse(&reply);
        let passed = reply.passed_on();
        assert!(
            passed
                .text
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte))
        );

        let mut wire = Vec::new();
        passed.write(&mut wire);
        let again = read(&[&wire]);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].as_ref().map(|reply| reply.code), Ok(passed.code));
    }
});
