//! `fastpath admin`, run as an administrator would.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::appliance::BINARY;
use super::wait::{self, PATIENCE};

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    /// On the standard output.
    pub(crate) answer: String,
    /// On the standard error.
    pub(crate) complaint: String,
}

impl Said {
    /// The answer of a command that must have succeeded.
    pub(crate) fn well(self) -> String {
        assert!(self.status.success(), "{self:?}");
        self.answer
    }

    /// The complaint of a command that must have failed with this code.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self.complaint
    }
}

/// Runs `fastpath admin WORDS…` on a data directory, with `input` on its standard input.
pub(crate) async fn admin(data_directory: &Path, words: &[&str], input: &str) -> Said {
    let mut command = Command::new(BINARY)
        .arg("admin")
        .args(words)
        .env_clear()
        .env("FASTPATH_DATA_DIR", data_directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = command.stdin.take().unwrap();
    // A command that does not read its input may have ended already.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = wait::within("the command's end", PATIENCE, command.wait_with_output())
        .await
        .unwrap();
    Said {
        status: output.status,
        answer: String::from_utf8(output.stdout).unwrap(),
        complaint: String::from_utf8(output.stderr).unwrap(),
    }
}
