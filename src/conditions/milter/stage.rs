//! The stages of the milter protocol, and what MTA and milter agree on about them.

use super::packet::{Packet, number};

/// SMFIC_OPTNEG, in both directions.
pub(super) const NEGOTIATE: u8 = b'O';
/// SMFI_PROT_VERSION of Sendmail 8.14 and everything since.
const VERSION: u32 = 6;
/// No milter speaks less.
const VERSION_MIN: u32 = 2;
/// SMFIF_ADDHDRS, CHGBODY, ADDRCPT, DELRCPT, CHGHDRS, QUARANTINE, CHGFROM and ADDRCPT_PAR: every change
/// that there is. SETSYMLIST is not offered: each stage has all macros that we know.
const ACTIONS: u32 = 0xff;
/// SMFIP_NO*, NR_*, SKIP and HDR_LEADSPC: everything but RCPT_REJ, since recipients that were refused
/// are not there any more when milters are asked.
const STEPS: u32 = 0x1f_ffff & !(1 << 11);
/// SMFIP_HDR_LEADSPC.
const LEADING_SPACE: u32 = 1 << 20;

/// What a milter is told about, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MilterStage {
    Connect,
    Helo,
    Mail,
    Recipient,
    Data,
    Field,
    EndOfHeader,
    Body,
    EndOfBody,
}

/// A stage as it is negotiated and sent.
struct StageCodes {
    /// SMFIC_*.
    command: u8,
    /// SMFIP_NO*: the milter does not want it.
    unwanted: u32,
    /// SMFIP_NR_*: the milter does not answer it.
    unanswered: u32,
    /// The version of the protocol that brought it.
    since: u32,
    /// What it is called where a milter talks nonsense.
    name: &'static str,
}

impl MilterStage {
    const fn wire(self) -> StageCodes {
        let (command, unwanted, unanswered, since, name) = match self {
            Self::Connect => (b'C', 1 << 0, 1 << 12, VERSION_MIN, "connect"),
            Self::Helo => (b'H', 1 << 1, 1 << 13, VERSION_MIN, "HELO"),
            Self::Mail => (b'M', 1 << 2, 1 << 14, VERSION_MIN, "MAIL"),
            Self::Recipient => (b'R', 1 << 3, 1 << 15, VERSION_MIN, "RCPT"),
            Self::Data => (b'T', 1 << 9, 1 << 16, 4, "DATA"),
            Self::Field => (b'L', 1 << 5, 1 << 7, VERSION_MIN, "a header field"),
            Self::EndOfHeader => (b'N', 1 << 6, 1 << 18, VERSION_MIN, "the end of the header"),
            Self::Body => (b'B', 1 << 4, 1 << 19, VERSION_MIN, "the body"),
            // Without it there is no verdict: nobody may decline it, or leave it unanswered.
            Self::EndOfBody => (b'E', 0, 0, VERSION_MIN, "the end of the body"),
        };
        StageCodes {
            command,
            unwanted,
            unanswered,
            since,
            name,
        }
    }

    /// SMFIC_*.
    pub(super) const fn command(self) -> u8 {
        self.wire().command
    }

    /// What it is called where a milter talks nonsense.
    pub(super) const fn name(self) -> &'static str {
        self.wire().name
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    version: u32,
    steps: u32,
}

pub(super) fn offer() -> Vec<u8> {
    let numbers = [VERSION, ACTIONS, STEPS];
    numbers.into_iter().flat_map(u32::to_be_bytes).collect()
}

impl Agreed {
    /// Reads the answer to our offer. What may follow its three numbers, lists of macros, is for those
    /// who offer that.
    ///
    /// # Errors
    /// When there can be no conversation.
    pub(super) fn read(packet: &Packet) -> Result<Self, String> {
        let read = || {
            let (version, rest) = number(&packet.data)?;
            let (actions, rest) = number(rest)?;
            let (steps, _) = number(rest)?;
            Some((version, actions, steps))
        };
        let is_answer = packet.command == NEGOTIATE;
        let Some((version, actions, steps)) = read().filter(|_| is_answer) else {
            return Err("it does not speak the milter protocol".to_owned());
        };
        if !(VERSION_MIN..=VERSION).contains(&version) {
            return Err(format!(
                "it speaks version {version} of the milter protocol"
            ));
        }
        if actions & !ACTIONS != 0 {
            return Err(format!(
                "it wants changes that are not offered: {actions:#x}"
            ));
        }
        // Steps that were not offered mean nothing to us; Postfix, too, lets them pass.
        let steps = steps & STEPS;
        Ok(Self { version, steps })
    }

    /// The stage exists in the version that the milter speaks.
    pub(super) fn knows(self, stage: MilterStage) -> bool {
        self.version >= stage.wire().since
    }

    /// The milter wants to be told of this.
    pub(super) fn wants(self, stage: MilterStage) -> bool {
        self.knows(stage) && self.steps & stage.wire().unwanted == 0
    }

    /// The milter answers when it is told of this.
    pub(super) fn answers(self, stage: MilterStage) -> bool {
        self.steps & stage.wire().unanswered == 0
    }

    /// Values of header fields begin right behind the colon, in both directions; otherwise one blank
    /// there is no part of them.
    pub(super) fn keeps_leading_space(self) -> bool {
        self.steps & LEADING_SPACE != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [MilterStage; 9] = [
        MilterStage::Connect,
        MilterStage::Helo,
        MilterStage::Mail,
        MilterStage::Recipient,
        MilterStage::Data,
        MilterStage::Field,
        MilterStage::EndOfHeader,
        MilterStage::Body,
        MilterStage::EndOfBody,
    ];

    fn answer(numbers: &[u32]) -> Packet {
        let data: Vec<u8> = numbers.iter().flat_map(|one| one.to_be_bytes()).collect();
        Packet {
            command: NEGOTIATE,
            data: data.into(),
        }
    }

    #[test]
    fn stages_that_were_declined_are_left_out() {
        for (version, steps, unwanted, unanswered) in [
            (6, 0, "", ""),
            (2, 0, "T", ""),
            (3, 0, "T", ""),
            (6, 0x7f, "CHMRLNB", ""),
            (6, 0x200, "T", ""),
            (6, 0xd_f080, "", "CHMRTLNB"),
            (6, u32::MAX, "CHMRTLNB", "CHMRTLNB"),
        ] {
            let agreed = Agreed::read(&answer(&[version, 0, steps])).expect("agreed");
            let those = |holds: &dyn Fn(MilterStage) -> bool| {
                let stages = ALL.into_iter().filter(|stage| holds(*stage));
                stages
                    .map(|stage| char::from(stage.command()))
                    .collect::<String>()
            };
            assert_eq!(those(&|stage| !agreed.wants(stage)), unwanted, "{steps:x}");
            let found = those(&|stage| !agreed.answers(stage));
            assert_eq!(found, unanswered, "{steps:x}");
            assert_eq!(agreed.keeps_leading_space(), steps == u32::MAX);
        }
    }

    #[test]
    fn there_must_be_an_agreement() {
        for (packet, expected) in [
            (answer(&[6, 0, 0]), None),
            (answer(&[6, 0xff, 0, 7, 7]), None),
            (answer(&[7, 0, 0]), Some("version 7")),
            (answer(&[1, 0, 0]), Some("version 1")),
            (answer(&[6, 0x100, 0]), Some("not offered: 0x100")),
            (answer(&[6, 0]), Some("does not speak")),
            (answer(&[]), Some("does not speak")),
            (
                Packet {
                    command: b'c',
                    ..answer(&[6, 0, 0])
                },
                Some("does not speak"),
            ),
        ] {
            let problem = Agreed::read(&packet).err();
            match expected {
                None => assert_eq!(problem, None),
                Some(part) => {
                    let problem = problem.expect("no agreement");
                    assert!(problem.contains(part), "{problem}");
                }
            }
        }
    }

    #[test]
    fn the_offer_is_version_six_with_everything_that_there_is() {
        assert_eq!(offer(), *b"\0\0\0\x06\0\0\0\xff\0\x1f\xf7\xff");
    }
}
