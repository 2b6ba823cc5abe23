//! Random secrets that people read, write down and type: recovery codes and first passwords.

use super::TokenHash;
use crate::limits;

/// Letters and digits that are not taken for one another (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters between two hyphens.
const GROUP: usize = 4;
/// 80 bits: enough that a fast hash of it may be stored.
const RECOVERY_GROUPS: usize = 4;

/// A random secret of so many groups, 20 bits each: `k7qd-02xw-…`.
#[must_use]
pub fn spelled_secret(groups: usize) -> String {
    let group = |_| {
        let bits: u32 = rand::random();
        let character = |place: usize| {
            let index = (bits >> (5 * place)) & 31;
            char::from(ALPHABET[index as usize])
        };
        (0..GROUP).map(character).collect::<String>()
    };
    (0..groups).map(group).collect::<Vec<_>>().join("-")
}

/// A code that replaces a lost telephone once.
#[derive(Clone)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    /// A new set for an account.
    #[must_use]
    pub fn set() -> Vec<Self> {
        let code = |_| Self(spelled_secret(RECOVERY_GROUPS));
        (0..limits::RECOVERY_CODES).map(code).collect()
    }

    /// The code as it is typed, with or without hyphens, in any case; none when it cannot be one.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        let typed: Vec<u8> = text
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-')
            .map(|byte| byte.to_ascii_lowercase())
            .collect();
        let is_code = typed.len() == RECOVERY_GROUPS * GROUP
            && typed.iter().all(|byte| ALPHABET.contains(byte));
        let groups = typed.chunks(GROUP).map(String::from_utf8_lossy);
        is_code.then(|| Self(groups.collect::<Vec<_>>().join("-")))
    }

    /// The text, for the one page that shows it.
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

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(recovery code)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_spelled_in_groups() {
        let secret = spelled_secret(5);
        assert_eq!(secret.len(), 24);
        assert!(secret.split('-').all(|group| group.len() == 4), "{secret}");
        assert_ne!(secret, spelled_secret(5));
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        let codes = RecoveryCode::set();
        assert_eq!(codes.len(), limits::RECOVERY_CODES);
        let code = &codes[0];
        for typed in [
            code.expose().to_owned(),
            code.expose().to_uppercase(),
            code.expose().replace('-', " "),
            format!(" {}\r\n", code.expose().replace('-', "")),
        ] {
            let read = RecoveryCode::typed(&typed).expect("a code");
            assert_eq!(read.hash(), code.hash(), "{typed}");
        }
        for typed in ["", "123456", "k7qd-02xw-aaaa", "k7qd-02xw-aaaa-uuuu"] {
            assert!(RecoveryCode::typed(typed).is_none(), "{typed}");
        }
    }
}
