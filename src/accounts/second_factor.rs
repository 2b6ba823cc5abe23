//! One-time codes from an app (TOTP, RFC 6238): the shared secret, how an app learns it, and whether
//! a code is right.

use std::fmt;

use qrcode::QrCode;
use qrcode::render::svg;
use totp_rs::{Builder, Secret, Totp};

/// What the app lists the account under.
const ISSUER: &str = "Fastpath";
/// The picture's least width and height: an app reads it off a screen at arm's length.
const PICTURE_PIXELS: u32 = 240;

/// The secret that an account shares with an app.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(Secret);

impl SharedSecret {
    /// A new one of 160 bits, as RFC 4226 §4 recommends.
    #[must_use]
    pub fn random() -> Self {
        Self(Secret::generate())
    }

    /// The secret that was stored as these bytes; none when they are too few for one.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let secret = Self(bytes.into());
        secret.codes().map(|_| secret)
    }

    /// As it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// In base 32, in groups of four, for typing.
    #[must_use]
    pub fn spelled(&self) -> String {
        let text: Vec<char> = self.0.to_base32().chars().collect();
        let groups = text.chunks(4).map(|group| group.iter().collect::<String>());
        groups.collect::<Vec<_>>().join(" ")
    }

    /// The URL that an app takes; none when `account` has a colon, which no account's name has.
    #[must_use]
    pub fn url(&self, account: &str) -> Option<String> {
        let codes = Builder::new()
            .with_secret(self.0.clone())
            .with_issuer(Some(ISSUER))
            .with_account_name(account)
            .build()
            .ok()?;
        codes.to_url().ok()
    }

    /// [`Self::url`] as a picture for the app's camera: an SVG element, black on white whatever the
    /// page's colours are, since many apps read only that.
    #[must_use]
    pub fn picture(&self, account: &str) -> Option<String> {
        let code = QrCode::new(self.url(account)?).ok()?;
        let document = code
            .render::<svg::Color<'_>>()
            .min_dimensions(PICTURE_PIXELS, PICTURE_PIXELS)
            .build();
        // Inside a page there is no place for an XML declaration.
        let element = document.find("<svg")?;
        Some(document[element..].to_owned())
    }

    /// The time step of `code` when it is right at `second` (since 1970) and later than `last_step`:
    /// no code is taken twice (RFC 6238 §5.2). One step of 30 seconds to either side counts as well.
    #[must_use]
    pub fn step_of(&self, code: &str, second: i64, last_step: Option<u64>) -> Option<u64> {
        let digits: String = code.split_whitespace().collect();
        let second = u64::try_from(second).ok()?;
        let step = self.codes()?.check(&digits, second)?;
        last_step.is_none_or(|last| step > last).then_some(step)
    }

    /// The code of this second.
    #[cfg(test)]
    pub(crate) fn code_at(&self, second: i64) -> String {
        let codes = self.codes().expect("a secret");
        codes.generate(second.unsigned_abs()).to_string()
    }

    fn codes(&self) -> Option<Totp> {
        Builder::new().with_secret(self.0.clone()).build().ok()
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(shared secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_800_000_000;

    #[test]
    fn a_code_counts_for_its_time_and_once() {
        let secret = SharedSecret::random();
        let code = secret.code_at(NOON);
        let step = (NOON / 30).unsigned_abs();
        for (second, last_step, expected) in [
            (NOON, None, Some(step)),
            (NOON, Some(step - 1), Some(step)),
            (NOON, Some(step), None),
            (NOON, Some(step + 1), None),
            (NOON + 30, None, Some(step)),
            (NOON - 30, None, Some(step)),
            (NOON + 300, None, None),
            (-1, None, None),
        ] {
            let found = secret.step_of(&code, second, last_step);
            assert_eq!(found, expected, "{second} {last_step:?}");
        }
        let typed = format!(" {} {} ", &code[..3], &code[3..]);
        assert_eq!(secret.step_of(&typed, NOON, None), Some(step));
        for wrong in ["", "12345", "1234567", "+12345", "abcdef"] {
            assert_eq!(secret.step_of(wrong, NOON, None), None, "{wrong}");
        }
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        // Appendix B: the secret is "12345678901234567890"; its eight digits end in these six.
        let secret = SharedSecret::from_bytes(b"12345678901234567890".to_vec()).expect("a secret");
        for (second, code) in [(59, "287082"), (1_111_111_109, "081804")] {
            assert_eq!(secret.code_at(second), code);
        }
    }

    #[test]
    fn apps_learn_it() {
        let secret = SharedSecret::from_bytes(b"12345678901234567890".to_vec()).expect("a secret");
        assert_eq!(secret.spelled(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        let url = secret.url("anna").expect("a URL");
        assert!(url.starts_with("otpauth://totp/Fastpath:anna?"), "{url}");
        assert!(
            url.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
            "{url}"
        );
        let picture = secret.picture("anna").expect("a picture");
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"));
        assert!(!picture.contains("style="));
    }

    #[test]
    fn what_is_stored_is_checked() {
        let secret = SharedSecret::random();
        let read = SharedSecret::from_bytes(secret.as_bytes().to_vec());
        assert_eq!(read.as_ref(), Some(&secret));
        assert_eq!(SharedSecret::from_bytes(b"short".to_vec()), None);
        assert_eq!(format!("{secret:?}"), "(shared secret)");
    }
}
