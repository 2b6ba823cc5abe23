//! What a name and a password must be like.

use crate::limits;

/// A name as it may be stored.
///
/// # Errors
/// What is wrong with it, for the form.
pub fn account_name(text: &str) -> Result<String, &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@');
    let is_name = |name: &str| {
        name.bytes().all(fits) && name.starts_with(|first: char| first.is_ascii_alphanumeric())
    };
    let otherwise = "letters, digits and . _ - @ only, and a letter or a digit first";
    bounded_name(text, is_name, otherwise)
}

/// The name of an API token, which says what it is for.
///
/// # Errors
/// What is wrong with it, for the form.
pub fn token_name(text: &str) -> Result<String, &'static str> {
    let is_line = |name: &str| !name.chars().any(char::is_control);
    bounded_name(text, is_line, "one line only")
}

fn bounded_name(
    text: &str,
    holds: impl Fn(&str) -> bool,
    otherwise: &'static str,
) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("a name is needed"),
        name if name.len() > limits::ACCOUNT_NAME_BYTES => Err("at most 64 characters"),
        name if holds(name) => Ok(name.to_owned()),
        _ => Err(otherwise),
    }
}

/// Whether the password will do for the account of this name. Length is what counts; rules about its
/// letters make people choose worse ones (NIST SP 800-63B-4 §3.1.1.2).
///
/// # Errors
/// What is wrong with it, for the form.
pub fn password(password: &str, account_name: &str) -> Result<(), String> {
    let characters = password.chars().count();
    if characters < limits::PASSWORD_CHARACTERS_MIN {
        let least = limits::PASSWORD_CHARACTERS_MIN;
        Err(format!("at least {least} characters"))
    } else if characters > limits::PASSWORD_CHARACTERS_MAX {
        let most = limits::PASSWORD_CHARACTERS_MAX;
        Err(format!("at most {most} characters"))
    } else if password.trim().eq_ignore_ascii_case(account_name.trim()) {
        Err("not the account's own name".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, expected) in [
            ("admin", Some("admin")),
            ("  Anna.B_c-d@example.net ", Some("Anna.B_c-d@example.net")),
            ("9", Some("9")),
            ("", None),
            ("   ", None),
            (".hidden", None),
            ("two words", None),
            ("a:b", None),
            ("ann\u{e4}", None),
            ("a\r\nb", None),
            (&"x".repeat(64), Some(&*"x".repeat(64))),
            (&"x".repeat(65), None),
        ] {
            assert_eq!(account_name(text).ok().as_deref(), expected, "{text:?}");
        }
        assert_eq!(token_name(" my backup "), Ok("my backup".to_owned()));
        for text in ["", " ", "a\nb", &"x".repeat(65)] {
            assert!(token_name(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn passwords() {
        for (text, expected) in [
            ("eleven char", false),
            ("twelve chars", true),
            ("zw\u{f6}lf Zeichen", true),
            ("administrator", false),
            ("Administrator ", false),
            ("administrator1", true),
            (&"x".repeat(1_000), true),
            (&"x".repeat(1_001), false),
        ] {
            assert_eq!(password(text, "Administrator").is_ok(), expected, "{text}");
        }
    }
}
