//! Paths of our own that a redirect may lead to.

use super::query_string::encoded_path;

/// Longer paths are none of ours.
const BYTES: usize = 2_048;

/// A path with its query, on this appliance and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalPath(String);

impl LocalPath {
    /// The path, when a browser that is sent there stays here: it begins with one slash, and holds
    /// nothing that browsers read as a second one or skip (WHATWG URL: `\`, tabs, line ends).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_local = text.starts_with('/')
            && !text.starts_with("//")
            && text.len() <= BYTES
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        is_local.then(|| Self(text.to_owned()))
    }

    /// The path that was asked for, or the dashboard.
    pub(super) fn or_dashboard(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| Self("/".to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The login page that leads here afterwards.
    pub(super) fn behind_login(&self) -> String {
        format!("/login?to={}", encoded_path(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_led_to() {
        for (text, expected) in [
            ("/", true),
            ("/queue?state=held&sender=a%20b", true),
            ("", false),
            ("queue", false),
            ("//elsewhere.example/", false),
            ("/\\elsewhere.example/", false),
            ("/\t/elsewhere.example/", false),
            ("/\r\nSet-Cookie: a=b", false),
            ("https://elsewhere.example/", false),
            ("javascript:alert(1)", false),
            ("/ä", false),
            (&format!("/{}", "x".repeat(BYTES)), false),
        ] {
            assert_eq!(LocalPath::parse(text).is_some(), expected, "{text:?}");
        }
        assert_eq!(LocalPath::or_dashboard("//x").as_str(), "/");
    }

    #[test]
    fn it_survives_a_query() {
        let path = LocalPath::parse("/queue?a=1&b=%20").expect("it is local");
        assert_eq!(path.behind_login(), "/login?to=/queue%3Fa%3D1%26b%3D%2520");
    }
}
