//! `fastpath admin`: what an administrator does on the machine itself.

use clap::{Args, Subcommand};

use super::environment::Environment;
use super::{Failure, admin_settings, backup};

/// What the command line says.
#[derive(Clone, Debug, Args)]
#[command(arg_required_else_help = false)]
pub(super) struct Written {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Export or import the settings
    Settings(admin_settings::Written),
    /// Copy everything to a directory, while the appliance runs
    Backup(backup::Written),
    /// Put a backup on an empty data directory
    Restore(backup::Written),
}

/// Runs the command.
pub(super) fn run(written: &Written, environment: &Environment) -> Result<(), Failure> {
    match &written.command {
        Command::Settings(written) => admin_settings::run(written, environment),
        Command::Backup(written) => backup::run_backup(written, environment),
        Command::Restore(written) => backup::run_restore(written, environment),
    }
}
