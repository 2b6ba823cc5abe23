//! What the survey finds out: what becomes of each part, or why the message cannot be converted.

/// What becomes of a message. It fits the message that the survey looked at, and no other.
#[derive(Clone, Debug)]
pub(in crate::delivery) struct ConversionPlan {
    /// For each header in the order of the message; none at all when there is nothing to convert.
    pub(super) changes: Vec<PartChange>,
    pub(super) is_needed: bool,
    /// The exact size of the converted message.
    pub(in crate::delivery) bytes: u64,
}

impl ConversionPlan {
    /// The message holds 8-bit bytes. Otherwise the converter gives it back as it is.
    #[must_use]
    #[cfg(test)]
    pub(super) fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// What becomes of the part with the header of this number.
    pub(super) fn change(&self, number: usize) -> PartChange {
        self.changes
            .get(number)
            .copied()
            .unwrap_or(PartChange::KEEP)
    }
}

/// What becomes of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartChange {
    pub(super) treatment: Treatment,
    /// What its Content-Type says from now on.
    pub(super) charset: Option<Charset>,
}

impl PartChange {
    pub(super) const KEEP: PartChange = PartChange::of(Treatment::Keep);

    pub(super) const fn of(treatment: Treatment) -> PartChange {
        PartChange {
            treatment,
            charset: None,
        }
    }

    /// The content changes, or what is within it.
    pub(super) fn is_change(self) -> bool {
        self.treatment != Treatment::Keep
    }
}

/// What is done to a part's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Nothing: it has no 8-bit bytes. Its header may have some all the same.
    Keep,
    /// It holds parts that are converted, and its label must not say 8bit any more.
    SevenBit,
    QuotedPrintable,
    Base64,
    /// It is quoted-printable with raw bytes in it.
    RepairQuotedPrintable,
    /// It is base64 with raw bytes in it.
    RepairBase64,
}

/// What text is written in, as far as its bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    /// RFC 1428 §3: it is 8-bit, and no more is known.
    Unknown,
}

impl Charset {
    pub(super) fn of(bytes: &[u8]) -> Charset {
        match std::str::from_utf8(bytes) {
            Ok(_) => Charset::Utf8,
            Err(_) => Charset::Unknown,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Charset::Utf8 => "utf-8",
            Charset::Unknown => "unknown-8bit",
        }
    }
}

/// Why a message cannot be converted; the sender gets it in the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::delivery) enum Unconvertible {
    /// RFC 1847 §2.1: what is signed is not changed on its way.
    #[error("a signed part holds 8-bit bytes, and converting it would break its signature")]
    Signed,
    /// RFC 2046 §5.2.2.1: a piece of a message is 7-bit, because the pieces are put together as they are.
    #[error(
        "it is a piece of a divided message (message/partial) and holds 8-bit bytes, which must not be encoded there"
    )]
    Partial,
    /// RFC 2046 §5.2.3.1: what stands for a content elsewhere is 7-bit.
    #[error(
        "a part that stands for content elsewhere (message/external-body) holds 8-bit bytes, which must not be encoded there"
    )]
    ExternalBody,
    /// A part is encoded in a way that MIME does not know, and holds 8-bit bytes all the same: RFC 2045 §6.4 has
    /// readers take it for what they cannot read, and another label would hide that from those who can.
    #[error("a part with an unknown Content-Transfer-Encoding holds 8-bit bytes")]
    Encoding,
    /// An address of an author or of a recipient holds 8-bit bytes, for which there is nothing in ASCII.
    #[error("an address in its header holds 8-bit bytes, for which there is nothing in ASCII")]
    Address,
    /// A line between two parts holds 8-bit bytes; RFC 2046 §5.1.1 allows none, and another line would be
    /// another boundary. Or a boundary is beyond our bound.
    #[error("a boundary between its parts holds 8-bit bytes or is too long")]
    Boundary,
    /// Parts within parts beyond our bound. A multipart cannot be encoded as a whole (RFC 2045 §6.4).
    #[error("it holds 8-bit bytes, and its parts are nested too deep")]
    TooDeep,
    #[error("it holds 8-bit bytes, and it has too many parts")]
    TooManyParts,
    #[error("it holds 8-bit bytes, and the header of a part is too long")]
    HeaderTooLong,
    #[error("it holds 8-bit bytes, and a line is too long")]
    LineTooLong,
}
