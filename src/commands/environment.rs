//! The environment variables, as the process found them or as a test gives them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::Failure;
use crate::boot::Secret;
use crate::limits;

/// Variables by name.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Those of this process that are meant for us.
    #[must_use]
    pub fn of_process() -> Self {
        let ours = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with("FASTPATH_").then_some((name, value))
        });
        Self(ours.collect())
    }

    /// A variable's text; none when it is not set or empty, as compose files leave it.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        let text = self.given(name).map(|value| value.to_str());
        match text {
            Some(None) => Err(Failure::usage(name, "is not UTF-8")),
            text => Ok(text.flatten().map(str::to_owned)),
        }
    }

    /// A variable's path; none when it is not set or empty.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<&Path> {
        self.given(name).map(Path::new)
    }

    fn given(&self, name: &str) -> Option<&OsString> {
        self.0.get(name).filter(|value| !value.is_empty())
    }

    /// A secret of so many characters at least, from the variable `name`, or from the file that `name`
    /// with `_FILE` behind it names. Blanks around it do not count: they are invisible and not typed.
    ///
    /// # Errors
    /// When both are given, or the file cannot be read, or it is no single line or too short.
    pub fn secret(&self, name: &str, least: usize) -> Result<Option<Secret>, Failure> {
        let file_name = format!("{name}_FILE");
        let (source, text) = match (self.text(name)?, self.path(&file_name)) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                let problem = format!("is given together with {name}; one of them is enough");
                return Err(Failure::usage(&file_name, problem));
            }
            (Some(text), None) => (name, text),
            (None, Some(path)) => (
                file_name.as_str(),
                read_secret(path).map_err(|problem| Failure::usage(&file_name, problem))?,
            ),
        };
        let text = text.trim();
        if text.is_empty() || !text.chars().all(|character| !character.is_control()) {
            return Err(Failure::usage(source, "must be one line that is not empty"));
        }
        if text.chars().count() < least {
            let problem = format!("must have at least {least} characters");
            return Err(Failure::usage(source, problem));
        }
        Ok(Some(Secret::new(text.to_owned())))
    }
}

fn read_secret(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > limits::SECRET_FILE_BYTES {
        return Err(format!(
            "{} has more than {} bytes",
            path.display(),
            limits::SECRET_FILE_BYTES
        ));
    }
    std::fs::read_to_string(path).map_err(cannot)
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), OsString::from(value));
        Self(variables.into_iter().map(owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "FASTPATH_API_TOKEN";
    const FILE: &str = "FASTPATH_API_TOKEN_FILE";

    fn check(environment: &Environment, expected: Result<Option<&str>, &str>) {
        let secret = environment
            .secret(NAME, 5)
            .map_err(|error| error.to_string());
        let secret = secret.map(|secret| secret.map(|secret| secret.expose().to_owned()));
        let secret = secret.as_ref().map(Option::as_deref);
        match (secret, expected) {
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (secret, expected) => assert_eq!(secret.ok(), expected.ok()),
        }
    }

    #[test]
    fn secrets_come_from_the_variable_or_from_a_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.to_str().expect("UTF-8").to_owned()
        };
        let (token, two_lines) = (file("token", "from-a-file\n"), file("two", "a\nb\n"));
        let large = file("large", &"x".repeat(5_000));
        check(&[].into(), Ok(None));
        check(&[(NAME, "")].into(), Ok(None));
        check(&[(NAME, "given")].into(), Ok(Some("given")));
        check(&[(NAME, " given \t\r\n")].into(), Ok(Some("given")));
        let few = "FASTPATH_API_TOKEN: must have at least 5 characters";
        check(&[(NAME, "give")].into(), Err(few));
        check(&[(NAME, "give  ")].into(), Err(few));
        check(&[(NAME, "  ")].into(), Err("must be one line"));
        let short = file("short", "x\n");
        check(
            &[(FILE, short.as_str())].into(),
            Err("FASTPATH_API_TOKEN_FILE: must have at least"),
        );
        check(&[(FILE, token.as_str())].into(), Ok(Some("from-a-file")));
        check(
            &[(NAME, "given"), (FILE, token.as_str())].into(),
            Err("FASTPATH_API_TOKEN_FILE: is given together with"),
        );
        check(
            &[(FILE, "/nowhere/token")].into(),
            Err("FASTPATH_API_TOKEN_FILE: /nowhere/token cannot be read"),
        );
        check(
            &[(FILE, two_lines.as_str())].into(),
            Err("must be one line"),
        );
        check(&[(FILE, large.as_str())].into(), Err("more than 4096"));
    }
}
