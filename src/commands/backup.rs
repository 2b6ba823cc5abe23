//! `fastpath admin backup` and `fastpath admin restore`.

use std::path::PathBuf;

use clap::Args;

use super::environment::Environment;
use super::failure::{Exit, Failure};
use super::options::DataDirectoryArgs;
use super::serve;
use crate::administration::backup::{self, BackupError, Manifest};
use crate::administration::restore;
use crate::store::CopyError;

/// The arguments of both commands: a backup's directory, and an appliance's.
#[derive(Clone, Debug, Args)]
pub(super) struct BackupArgs {
    /// Directory of the backup
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    #[command(flatten)]
    place: DataDirectoryArgs,
}

/// Copies the appliance to a directory that is new or empty, and says what is in it.
pub(super) fn run_backup(written: &BackupArgs, environment: &Environment) -> Result<(), Failure> {
    let data_directory = written.place.path(environment);
    let taken = serve::runtime()?.block_on(backup::take(&data_directory, &written.directory));
    print!("{}", backed_up(&taken?, written));
    Ok(())
}

/// Puts a backup on a data directory that is new or empty.
pub(super) fn run_restore(written: &BackupArgs, environment: &Environment) -> Result<(), Failure> {
    let data_directory = written.place.path(environment);
    let restored =
        serve::runtime()?.block_on(restore::restore(&written.directory, &data_directory));
    print!("{}", brought_back(&restored?));
    Ok(())
}

fn backed_up(manifest: &Manifest, written: &BackupArgs) -> String {
    let mut text = format!(
        "{} in the queue at {:.0}: backed up to {}\n",
        in_words(manifest),
        manifest.taken_at,
        written.directory.display()
    );
    if manifest.left_out > 0 {
        text.push_str(&format!(
            "{} left out: settled while the backup was taken, or without content before.\n",
            manifest.left_out
        ));
    }
    text
}

fn brought_back(manifest: &Manifest) -> String {
    format!(
        "{} in the queue of {:.0}: restored.\n\
         What was delivered or purged since then is in this queue again, and will be delivered again\n\
         when the appliance starts. To look first, start it with the destinations out of reach.\n\
         Passwords and API tokens are those of that time, also what was changed or revoked since.\n",
        in_words(manifest),
        manifest.taken_at,
    )
}

fn in_words(manifest: &Manifest) -> String {
    let count = |number: u64, one: &str, many: &str| {
        let noun = if number == 1 { one } else { many };
        format!("{number} {noun}")
    };
    format!(
        "{} for {}",
        count(manifest.messages, "message", "messages"),
        count(manifest.recipients, "recipient", "recipients")
    )
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let exit = match error {
            BackupError::DataDirectory(error) => return error.into(),
            BackupError::NotEmpty(_) | BackupError::Inside(_) | BackupError::NoAppliance(_) => {
                Exit::Usage
            }
            BackupError::NoBackup { .. } | BackupError::Copy(CopyError::Damaged { .. }) => {
                Exit::Data
            }
            BackupError::Copy(CopyError::Database { .. }) | BackupError::File { .. } => Exit::Io,
        };
        Self::new(exit, error.to_string())
    }
}
