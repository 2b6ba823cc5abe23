//! `fastpath admin`: changes an appliance from its data directory, also while it runs.
//!
//! The store is opened beside the running appliance, which looks accounts and tokens up each time and
//! so notices at once. The data directory's lock is not taken.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::environment::Environment;
use super::options::DataDirectoryArgs;
use super::{Exit, Failure, admin_settings, backup, serve};
use crate::accounts::{Passwords, Role, Scope, spelled_secret};
use crate::administration::{AccountChange, AccountError, Accounts, Actor};
use crate::boot::DataDirectory;
use crate::limits;
use crate::message::Spool;
use crate::store::{self, AccessRefusal, OpenError, RepairError, Repaired, Saved, Store};

/// What can be done.
#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Set a new password for an account: the one on standard input, or a random one, which is printed
    ResetPassword(ResetPassword),
    /// Create an API token and print it; it is not shown again
    CreateToken(CreateToken),
    /// Export or import the settings
    Settings(admin_settings::SettingsArgs),
    /// Back up the queue, settings, trail and certificate to a new directory; the appliance may run
    Backup(backup::BackupArgs),
    /// Restore a backup to an empty data directory
    Restore(backup::BackupArgs),
    /// Save what can be read of a damaged appliance.db; the appliance must be stopped
    Repair(DataDirectoryArgs),
}

/// `reset-password`.
#[derive(Debug, Args)]
pub(super) struct ResetPassword {
    /// Name of the account; it is created if there is no administrator yet
    name: String,
    /// Also switch off the account's one-time codes
    #[arg(long)]
    without_totp: bool,
    #[command(flatten)]
    place: DataDirectoryArgs,
}

/// `create-token`.
#[derive(Debug, Args)]
pub(super) struct CreateToken {
    /// A name that says what the token is for
    name: String,
    /// read_only, operate (also acts on the queue) or read_write (may change everything)
    #[arg(long)]
    scope: String,
    #[command(flatten)]
    place: DataDirectoryArgs,
}

/// Does it.
pub(super) fn run(command: AdminCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        AdminCommand::ResetPassword(command) => {
            let directory = appliance_at(&command.place, environment)?;
            let given = password_from_input().map_err(Failure::io)?;
            let text = beside(&directory, async |accounts| {
                reset_password(accounts, &command.name, command.without_totp, given).await
            })?;
            print!("{text}");
        }
        AdminCommand::CreateToken(command) => {
            let scope = Scope::from_word(&command.scope).ok_or_else(|| {
                let scopes: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
                let scopes = scopes.join(", ");
                let problem = format!("“{}” is none of {scopes}", command.scope);
                Failure::usage("--scope", problem)
            })?;
            let directory = appliance_at(&command.place, environment)?;
            let token = beside(&directory, async |accounts| {
                let actor = Actor::command("admin create-token");
                let created = accounts
                    .create_api_token(&command.name, scope, None, &actor)
                    .await;
                created.map(|(_, token)| token)
            })?;
            println!("{}", token.expose());
        }
        AdminCommand::Settings(written) => admin_settings::run(&written, environment)?,
        AdminCommand::Backup(written) => backup::run_backup(&written, environment)?,
        AdminCommand::Restore(written) => backup::run_restore(&written, environment)?,
        AdminCommand::Repair(place) => {
            let path = appliance_at(&place, environment)?;
            let directory = DataDirectory::open(&path)?;
            let repaired = serve::runtime()?.block_on(store::repair(directory.path()));
            print!("{}", told(&repaired?));
        }
    }
    Ok(())
}

/// What a repair came to.
fn told(repaired: &Option<Repaired>) -> String {
    let Some(Repaired { kept_as, tables }) = repaired else {
        return "The database is whole: nothing was changed.\n".to_owned();
    };
    let mut text = String::new();
    for Saved {
        table,
        rows,
        is_whole,
    } in tables
    {
        let lost = match is_whole {
            true => "",
            false => "; others may be lost",
        };
        let _ = writeln!(text, "  {rows:>9} {}{lost}", called(table));
    }
    format!(
        "Saved, and in use from the next start on:\n{text}\
         Everybody has to log in to the pages again. The damaged database is kept as {}.\n\
         Mail whose content is lost is shown as damaged, and its senders are told.\n",
        kept_as.display()
    )
}

/// What a person calls the rows of a table.
fn called(table: &str) -> &str {
    match table {
        "messages" => "messages in the queue",
        "recipients" => "recipients in the queue",
        "bodies" => "contents in the database itself",
        "settings" => "set of settings (without one the next start is a first one)",
        "accounts" => "accounts",
        "api_tokens" => "API tokens",
        "smtp_logins" => "SMTP logins",
        "openpgp_keys" => "OpenPGP keys",
        "audit" => "entries of the audit",
        "recovery_codes" => "recovery codes",
        table => table,
    }
}

/// The data directory, which must be one of an appliance.
fn appliance_at(place: &DataDirectoryArgs, environment: &Environment) -> Result<PathBuf, Failure> {
    let directory = place.path(environment);
    if Store::is_in(&directory) {
        return Ok(directory);
    }
    let problem = "is no data directory of an appliance: start it there once";
    Err(Failure::io(format!("{} {problem}", directory.display())))
}

/// Works on the accounts of an appliance that may be running.
fn beside<T>(
    directory: &Path,
    work: impl AsyncFnOnce(&Accounts) -> Result<T, AccountError>,
) -> Result<T, Failure> {
    let runtime = serve::runtime()?;
    runtime.block_on(async {
        let (store, closing) = open(directory).await?;
        let accounts = Accounts::open(store.administration.clone(), Passwords::new(), None).await;
        let accounts: Arc<Accounts> = accounts.map_err(anyhow::Error::from)?;
        let done = work(&accounts).await;
        // What was done is committed; another process may hold the database while we go.
        let _ = store.close(closing).await;
        done.map_err(failure)
    })
}

async fn open(directory: &Path) -> anyhow::Result<(Store, store::Writers)> {
    // Commands about accounts leave the spool alone, but the store wants one.
    let spool =
        Spool::open(directory.join("spool"), "admin").context("the spool cannot be used")?;
    Ok(Store::open(directory, &spool, None).await?)
}

impl From<RepairError> for Failure {
    fn from(error: RepairError) -> Self {
        let exit = match error {
            RepairError::Hopeless { .. } | RepairError::Open(OpenError::Newer(_)) => Exit::Data,
            _ => Exit::Io,
        };
        Self::new(exit, error.to_string())
    }
}

fn failure(error: AccountError) -> Failure {
    match error {
        AccountError::Invalid(_) | AccountError::Refused(_) => {
            Failure::new(Exit::Usage, error.to_string())
        }
        error => Failure::io(error),
    }
}

/// Says what was done, and the password when it was made.
async fn reset_password(
    accounts: &Accounts,
    name: &str,
    without_totp: bool,
    given: Option<String>,
) -> Result<String, AccountError> {
    let is_made = given.is_none();
    let password = given.unwrap_or_else(|| spelled_secret(limits::SPELLED_PASSWORD_GROUPS));
    let actor = Actor::command("admin reset-password");
    let change = AccountChange {
        password: Some(password.clone()),
        without_second_factor: without_totp,
        ..AccountChange::default()
    };
    let what = match accounts.amend(name, change, &actor).await {
        Ok(_) => "has a new password; its sessions have ended",
        Err(AccountError::Refused(AccessRefusal::NoSuchAccount))
            if !has_administrator(accounts).await? =>
        {
            let role = Role::Administrator;
            let password = password.clone();
            accounts.create(name, role, password, &actor).await?;
            "is the administrator now"
        }
        Err(error) => return Err(error),
    };
    let mut text = format!("{name} {what}.\n");
    if is_made {
        text.push_str(&format!("password: {password}\n"));
    }
    Ok(text)
}

async fn has_administrator(accounts: &Accounts) -> Result<bool, AccountError> {
    let mut all = accounts.list().await?.into_iter();
    Ok(all.any(|account| account.role == Role::Administrator))
}

/// The first line of the standard input; none when a person sits there, or when it is empty.
fn password_from_input() -> io::Result<Option<String>> {
    let input = io::stdin();
    if input.is_terminal() {
        return Ok(None);
    }
    let mut text = String::new();
    // Of a character up to four bytes, and its line end.
    let most = 4 * limits::PASSWORD_CHARACTERS_MAX as u64 + 2;
    input.take(most).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    async fn reset(store: &Store, name: &str, given: Option<&str>) -> Result<String, AccountError> {
        let accounts = Accounts::open(store.administration.clone(), Passwords::new(), None).await;
        let accounts = accounts.expect("readable");
        reset_password(&accounts, name, true, given.map(str::to_owned)).await
    }

    #[tokio::test]
    async fn a_password_is_reset_and_the_first_administrator_made() {
        let directory = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(directory.path().join("spool"), "test").expect("a spool");
        let opened = Store::open(directory.path(), &spool, Some(Timestamp::now())).await;
        let (store, writers) = opened.expect("a store");

        let made = reset(&store, "admin", None).await.expect("made");
        assert!(
            made.starts_with("admin is the administrator now.\npassword: "),
            "{made}"
        );
        assert!(
            store
                .administration
                .setup_is_done()
                .await
                .expect("readable")
        );
        let given = reset(&store, "ADMIN", Some("a password of mine")).await;
        let given = given.expect("reset");
        assert_eq!(
            given,
            "ADMIN has a new password; its sessions have ended.\n"
        );
        let typing_error = reset(&store, "amdin", None).await;
        assert!(matches!(
            typing_error,
            Err(AccountError::Refused(AccessRefusal::NoSuchAccount))
        ));
        let short = reset(&store, "admin", Some("short")).await;
        assert!(matches!(short, Err(AccountError::Invalid(_))));
        store.close(writers).await;
    }
}
