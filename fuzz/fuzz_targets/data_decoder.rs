//! The decoder of DATA: cuts do not matter, what leaves is canonical, and it survives another hop.

#![no_main]

use fastpath::smtp::dot_stuffing::DotStuffer;
use fastpath::smtp::end_of_data::{DataDecoder, Decoded, DataFindings};
use libfuzzer_sys::fuzz_target;

fn decode(pieces: &[&[u8]]) -> (Vec<u8>, Decoded, DataFindings) {
    let mut decoder = DataDecoder::new();
    let mut content = Vec::new();
    let mut total = Decoded {
        consumed: 0,
        finished: false,
    };
    for piece in pieces {
        let decoded = decoder.decode(piece, &mut |bytes| content.extend_from_slice(bytes));
        total.consumed += decoded.consumed;
        total.finished = decoded.finished;
    }
    (content, total, decoder.findings())
}

fuzz_target!(|input: &[u8]| {
    // The first byte says where to cut.
    let Some((&cut, wire)) = input.split_first() else {
        return;
    };
    let whole = decode(&[wire]);
    let (front, back) = wire.split_at(usize::from(cut).min(wire.len()));
    assert_eq!(decode(&[front, back]), whole);
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(decode(&bytes), whole);

    let (content, decoded, _) = whole;
    for (at, &byte) in content.iter().enumerate() {
        assert!(byte != b'\n' || at > 0 && content[at - 1] == b'\r');
        assert!(byte != b'\r' || at + 1 == content.len() || content[at + 1] == b'\n');
    }
    if decoded.finished {
        let mut stuffer = DotStuffer::new();
        let mut again = Vec::new();
        stuffer.stuff(&content, |piece| again.extend_from_slice(piece));
        again.extend_from_slice(stuffer.finish());
        let (received, decoded, _) = decode(&[&again]);
        assert!(decoded.finished && decoded.consumed == again.len());
        assert_eq!(received, content);
    }
});
