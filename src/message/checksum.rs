//! The checksum of what is stored: what comes back from the disk is what was given to it.

use std::fmt;

/// CRC-32 (ISO-HDLC, as in gzip) of some bytes. It finds what disks, file systems and people do to a
/// file, not what an attacker does who may write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(u32);

impl Checksum {
    /// Of the pieces, one behind the other.
    #[must_use]
    pub fn of<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> Self {
        let mut summing = Summing::default();
        for piece in pieces {
            summing.add(piece.as_ref());
        }
        summing.checksum()
    }

    /// As it is stored in a column.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        self.0.into()
    }

    /// The checksum in a column; none when it is not one.
    #[must_use]
    pub fn from_i64(stored: i64) -> Option<Self> {
        u32::try_from(stored).ok().map(Self)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A checksum of bytes that come in pieces.
#[derive(Clone, Debug, Default)]
pub struct Summing(crc32fast::Hasher);

impl Summing {
    /// The next piece.
    pub fn add(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Of everything that was added so far.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        Checksum(self.0.clone().finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_crc_that_everybody_knows() {
        // The check value of the catalogue of CRC algorithms.
        assert_eq!(Checksum::of(["123456789"]).to_string(), "cbf43926");
        let (pieces, whole) = (["12", "", "3456789"], ["123456789"]);
        assert_eq!(Checksum::of(pieces), Checksum::of(whole));
        assert_ne!(
            Checksum::of([[0; 4_096]]),
            Checksum::of([[0; 4_096], [0; 4_096]])
        );
    }

    #[test]
    fn it_survives_its_column() {
        for sum in [Checksum(0), Checksum(u32::MAX)] {
            assert_eq!(Checksum::from_i64(sum.to_i64()), Some(sum));
        }
        for other in [-1, i64::from(u32::MAX) + 1] {
            assert_eq!(Checksum::from_i64(other), None);
        }
    }
}
