//! Random tokens, which browsers and programs show, and their hashes, which are kept.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use subtle::ConstantTimeEq as _;

/// What is shown to get in: of a session, or of the API.
#[derive(Clone)]
pub struct AccessToken(String);

impl AccessToken {
    /// A new one: 256 random bits in base64url (RFC 4648 §5), 43 characters.
    #[must_use]
    pub fn random() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The text, for the one place that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(token)")
    }
}

/// SHA-256 of a token. Tokens are too long to be guessed, so that no slow hash is needed; a reader of
/// the database learns none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a text that is shown to us.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }

    /// The hash that was stored as these bytes; none when they are no hash.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As it is stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are of the same text. It takes the same time for every guess.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hash)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_fit_a_header() {
        let (first, second) = (AccessToken::random(), AccessToken::random());
        assert_ne!(first.expose(), second.expose());
        assert_eq!(first.expose().len(), 43);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        assert!(first.expose().bytes().all(fits));
        assert_eq!(format!("{first:?} {:?}", first.hash()), "(token) (hash)");
    }

    #[test]
    fn hashes_survive_their_column() {
        let hash = TokenHash::of("open sesame");
        assert_eq!(TokenHash::from_bytes(hash.as_bytes()), Some(hash));
        assert_eq!(TokenHash::from_bytes(b"short"), None);
        assert!(hash.is(&TokenHash::of("open sesame")));
        assert!(!hash.is(&TokenHash::of("open sesam")));
    }
}
