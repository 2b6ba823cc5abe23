//! The end of DATA: finds `CRLF . CRLF`, removes the stuffed dots and makes every line end canonical.
//!
//! Servers that disagree about where a message ends let a sender smuggle a second one through the
//! first. So the end is `CRLF . CRLF` and nothing that resembles it, and what leaves this machine holds
//! no carriage return and no line feed outside a CRLF, whatever came in.

use memchr::{memchr_iter, memchr2};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reply::Reply;
use crate::limits::TEXT_LINE_BYTES;

/// What a listener does with a message that holds a bare CR, a bare LF or NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineEnds {
    /// Take the canonical form: a bare LF was made CRLF, a bare CR a space, and one beside a line end nothing.
    Normalise,
    /// Refuse the message once its real end was read.
    Reject,
}

/// What a message held besides ordinary lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataFindings {
    /// CR without LF behind it. Beside a line end it is a device's way to write that, and is gone; those in a row
    /// elsewhere became a space.
    pub bare_carriage_returns: u64,
    /// LF without CR before it; each became CRLF.
    pub bare_line_feeds: u64,
    /// NUL bytes; they stay where they are, so a message with any is to be refused.
    pub nuls: u64,
    /// The longest line of the content without its CRLF.
    pub longest_line_bytes: u64,
    /// A byte of 128 or more: a destination without 8BITMIME cannot take the message as it is.
    pub eight_bit: bool,
}

impl DataFindings {
    /// The reply with which the message is refused for what was found in it. None: it is acceptable.
    pub fn refusal(&self, line_ends: LineEnds) -> Option<Reply> {
        let strays = self.bare_carriage_returns + self.bare_line_feeds;
        if self.nuls > 0 {
            Some(Reply::NUL_IN_MESSAGE)
        } else if strays > 0 && line_ends == LineEnds::Reject {
            Some(Reply::STRAY_LINE_ENDS)
        } else if self.longest_line_bytes > TEXT_LINE_BYTES as u64 {
            Some(Reply::LINE_TOO_LONG)
        } else {
            None
        }
    }
}

/// How far one call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that belong to the message and its end; what follows is the next command's.
    pub consumed: usize,
    /// The end was seen.
    pub finished: bool,
}

/// The state of the machine between two bytes. Bytes that are held back were not given out yet: what
/// they mean depends on the next one, which may come with another read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecoderState {
    /// Behind a real CRLF, or at the very start.
    LineStart,
    /// Inside a line; also behind a bare LF, where no end can be and no dot was stuffed.
    Text,
    /// One CR or more in a row are held back.
    CarriageReturn,
    /// A dot at the start of a line is held back.
    Dot,
    /// That dot and a CR are held back.
    DotCarriageReturn,
    /// `CRLF . CRLF` was seen.
    End,
}

/// Turns what a client sends after 354 into canonical content.
#[derive(Debug)]
pub struct DataDecoder {
    position: DecoderState,
    /// Whether a dot at the start of a line means something; not so in BDAT.
    dots: bool,
    /// CRs that are held back.
    held: u64,
    /// Bytes of the present line that earlier input held.
    line_bytes: u64,
    findings: DataFindings,
}

impl Default for DataDecoder {
    /// The decoder for one message: its start, behind the 354, counts as behind CRLF.
    fn default() -> DataDecoder {
        DataDecoder {
            position: DecoderState::LineStart,
            dots: true,
            held: 0,
            line_bytes: 0,
            findings: DataFindings::default(),
        }
    }
}

impl DataDecoder {
    /// The same machine without dots and without an end, over all chunks of a message that comes by BDAT
    /// (RFC 3030). We do not offer BINARYMIME, so what comes is text and its lines end with CRLF; a CRLF may
    /// lie across two chunks.
    pub fn without_dots() -> DataDecoder {
        DataDecoder {
            dots: false,
            ..DataDecoder::default()
        }
    }

    /// What was found so far.
    pub fn findings(&self) -> DataFindings {
        self.findings
    }

    /// Takes the next bytes of the message, wherever a read happened to cut them, and gives their
    /// canonical form to `output` in as few and as long slices as the input allows. Past the end it
    /// consumes nothing.
    pub fn decode(&mut self, input: &[u8], output: &mut dyn FnMut(&[u8])) -> Decoded {
        if self.position == DecoderState::End {
            return Decoded {
                consumed: 0,
                finished: true,
            };
        }
        let mut run = DecoderInput {
            input,
            at: 0,
            given: 0,
            line_from: 0,
            output,
        };
        self.resume(&mut run);
        while run.at < input.len() && self.position != DecoderState::End {
            match self.position {
                DecoderState::LineStart => self.line_start(&mut run),
                DecoderState::Dot => self.behind_dot(&mut run),
                _ => self.text(&mut run),
            }
        }
        self.line_bytes += (run.at - run.line_from) as u64;
        self.longest_line(self.line_bytes);
        run.give();

        let seen = &input[..run.at];
        self.findings.nuls += memchr_iter(0, seen).count() as u64;
        self.findings.eight_bit |= !seen.is_ascii();
        Decoded {
            consumed: run.at,
            finished: self.position == DecoderState::End,
        }
    }

    /// Ends a message that no dot ends: gives out what is held back, and the CRLF if the last line lacks it,
    /// because DATA at the next hop needs it.
    pub fn finish(mut self, output: &mut dyn FnMut(&[u8])) -> DataFindings {
        if self.position == DecoderState::CarriageReturn {
            self.findings.bare_carriage_returns += self.held;
        }
        // Text without bytes comes behind a bare LF, which was given out as CRLF.
        let ended = match self.position {
            DecoderState::LineStart => true,
            DecoderState::Text | DecoderState::CarriageReturn => self.line_bytes == 0,
            _ => false,
        };
        if !ended {
            output(b"\r\n");
        }
        self.findings
    }

    /// Decides about CRs that the last input ended with.
    fn resume(&mut self, run: &mut DecoderInput<'_, '_>) {
        match (self.position, run.input.first()) {
            (DecoderState::DotCarriageReturn, Some(b'\n')) => {
                run.skip(1);
                self.position = DecoderState::End;
                return;
            }
            (DecoderState::DotCarriageReturn, Some(_)) => self.held = 1,
            (DecoderState::CarriageReturn, Some(_)) => {}
            _ => return,
        }
        let more = run.carriage_returns();
        self.held += more as u64;
        run.skip(more);
        match run.input.get(run.at) {
            None => {
                self.position = DecoderState::CarriageReturn;
                return;
            }
            Some(b'\n') => {
                self.findings.bare_carriage_returns += self.held - 1;
                (run.output)(b"\r\n");
                run.skip(1);
                self.line_bytes = 0;
                self.position = DecoderState::LineStart;
            }
            Some(_) => {
                self.findings.bare_carriage_returns += self.held;
                if self.line_bytes > 0 {
                    (run.output)(b" ");
                    self.line_bytes += 1;
                }
                self.position = DecoderState::Text;
            }
        }
        self.held = 0;
    }

    fn line_start(&mut self, run: &mut DecoderInput<'_, '_>) {
        if self.dots && run.input[run.at] == b'.' {
            run.give();
            run.skip(1);
            self.position = DecoderState::Dot;
        } else {
            self.position = DecoderState::Text;
        }
    }

    /// The dot is gone already: it ends the message, or it was stuffed (RFC 5321 §4.5.2).
    fn behind_dot(&mut self, run: &mut DecoderInput<'_, '_>) {
        self.position = match run.input[run.at..] {
            [b'\r', b'\n', ..] => {
                run.skip(2);
                DecoderState::End
            }
            [b'\r'] => {
                run.skip(1);
                DecoderState::DotCarriageReturn
            }
            _ => DecoderState::Text,
        };
    }

    /// Goes on to the next CR or LF and past it.
    fn text(&mut self, run: &mut DecoderInput<'_, '_>) {
        let Some(distance) = memchr2(b'\r', b'\n', &run.input[run.at..]) else {
            run.at = run.input.len();
            self.position = DecoderState::Text;
            return;
        };
        run.at += distance;
        match run.input[run.at..] {
            [b'\r', b'\n', ..] => {
                self.end_line(run);
                run.at += 2;
                run.line_from = run.at;
                self.position = DecoderState::LineStart;
            }
            [b'\r', ..] => self.bare_carriage_returns(run),
            _ => {
                self.end_line(run);
                run.replace(b"\r\n");
                run.line_from = run.at;
                self.findings.bare_line_feeds += 1;
                self.position = DecoderState::Text;
            }
        }
    }

    /// Goes past CRs that are no line end by themselves. Devices write CR CR LF and LF CR for one.
    fn bare_carriage_returns(&mut self, run: &mut DecoderInput<'_, '_>) {
        let count = run.carriage_returns();
        let behind = run.input.get(run.at + count);
        self.line_bytes += (run.at - run.line_from) as u64;
        run.give();
        self.position = match behind {
            None => {
                self.held = count as u64;
                run.skip(count);
                DecoderState::CarriageReturn
            }
            Some(b'\n') => {
                self.findings.bare_carriage_returns += count as u64 - 1;
                run.skip(count - 1);
                DecoderState::Text
            }
            Some(_) => {
                self.findings.bare_carriage_returns += count as u64;
                if self.line_bytes > 0 {
                    (run.output)(b" ");
                    self.line_bytes += 1;
                }
                run.skip(count);
                DecoderState::Text
            }
        };
    }

    /// Counts the line that ends at the position of `run`.
    fn end_line(&mut self, run: &DecoderInput<'_, '_>) {
        self.longest_line(self.line_bytes + (run.at - run.line_from) as u64);
        self.line_bytes = 0;
    }

    fn longest_line(&mut self, bytes: u64) {
        self.findings.longest_line_bytes = self.findings.longest_line_bytes.max(bytes);
    }
}

/// One call's way through its input.
struct DecoderInput<'i, 'o> {
    input: &'i [u8],
    /// The next byte to look at.
    at: usize,
    /// Everything before it was given out or dropped.
    given: usize,
    /// Where the present line began, or the input did.
    line_from: usize,
    output: &'o mut dyn FnMut(&[u8]),
}

impl DecoderInput<'_, '_> {
    /// Gives out everything up to here.
    fn give(&mut self) {
        if self.given < self.at {
            (self.output)(&self.input[self.given..self.at]);
            self.given = self.at;
        }
    }

    /// How many CRs in a row come next.
    fn carriage_returns(&self) -> usize {
        let rest = &self.input[self.at..];
        rest.iter().take_while(|&&byte| byte == b'\r').count()
    }

    /// Drops the next bytes, which no line counts.
    fn skip(&mut self, count: usize) {
        self.at += count;
        self.given = self.at;
        self.line_from = self.at;
    }

    /// Gives out everything up to here, and something else in place of the next byte.
    fn replace(&mut self, bytes: &[u8]) {
        self.give();
        (self.output)(bytes);
        self.at += 1;
        self.given = self.at;
    }
}

#[cfg(test)]
#[path = "end_of_data_tests.rs"]
mod tests;
