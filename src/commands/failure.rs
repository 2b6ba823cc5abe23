//! How a command ends when it fails: one line for a human, one code for a script.

use std::fmt;
use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::boot::DirectoryError;
use crate::store::OpenError;

/// The exit codes, after `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The appliance that was asked is not ready.
    NotReady = 1,
    /// A bad option or value.
    Usage = 64,
    /// What a file says does not hold: settings, or a backup.
    Data = 65,
    /// Something that should not happen.
    Software = 70,
    /// A file, an address or a database could not be used.
    Io = 74,
    /// The data directory is locked by another process: try again when that has ended.
    Locked = 75,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    message: String,
}

impl Failure {
    /// A bad value of an option or a variable.
    #[must_use]
    pub fn usage(name: &str, problem: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, format!("{name}: {problem}"))
    }

    /// A file or an address could not be used.
    #[must_use]
    pub fn io(problem: impl fmt::Display) -> Self {
        Self::new(Exit::Io, problem.to_string())
    }

    /// Several things are wrong: a line for each.
    pub(super) fn of_lines(exit: Exit, lines: impl Iterator<Item = String>) -> Self {
        let lines: Vec<String> = lines.map(|line| Self::new(exit, line).message).collect();
        let message = lines.join("\n");
        Self { exit, message }
    }

    /// `message` may be the words of others: it is made one line.
    pub(super) fn new(exit: Exit, message: String) -> Self {
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { exit, message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        let exit = match error {
            DirectoryError::Locked(_) => Exit::Locked,
            DirectoryError::Unusable { .. } => Exit::Io,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let exit = if error.chain().any(|cause| cause.is::<io::Error>()) {
            Exit::Io
        } else {
            match error.chain().find_map(|cause| cause.downcast_ref()) {
                Some(OpenError::Newer(_)) => Exit::Data,
                Some(OpenError::Database { .. } | OpenError::Damaged { .. }) => Exit::Io,
                _ => Exit::Software,
            }
        };
        Self::new(exit, format!("{error:#}"))
    }
}

/// The message for a command line that ends too early; clap's usage line says where.
fn missing_command(told: &str) -> &'static str {
    let ends_after = |words: &str| told.contains(&format!("{words} <COMMAND>"));
    if ends_after("fastpath admin settings") {
        "a command is missing: admin settings export, import or describe"
    } else if ends_after("fastpath admin") {
        "a command is missing: admin reset-password, create-token, settings, backup, restore or repair"
    } else {
        "a command is missing: serve, demo, sink, healthcheck or admin"
    }
}

/// What is wrong with a command line, without clap's further lines of advice.
pub(super) fn of_usage(error: &clap::Error) -> Failure {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
    ) {
        return Failure::new(Exit::Usage, missing_command(&error.to_string()).to_owned());
    }
    let text = error.to_string();
    let mut lines = text.lines();
    let mut first = lines.next().unwrap_or_default().to_owned();
    if error.kind() == ErrorKind::MissingRequiredArgument {
        // Which ones is in the lines below.
        for argument in lines.take_while(|line| !line.is_empty()) {
            first.push_str(argument);
        }
    }
    let message = first.strip_prefix("error: ").unwrap_or(&first);
    Failure::new(Exit::Usage, message.to_owned())
}
