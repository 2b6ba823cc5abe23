//! `fastpath admin settings`: the settings as a TOML file, and what each setting is.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::environment::Environment;
use super::failure::{Exit, Failure};
use super::options::DataDirectoryArgs;
use super::serve;
use crate::administration::settings_file::{self, ImportMode, SettingsFileError};
use crate::administration::{Actor, OpenRelay};
use crate::limits;
use crate::settings::catalogue;
use crate::store::OpenError;

/// Stands for the standard input and output.
const STANDARD: &str = "-";

/// What the command line says.
#[derive(Clone, Debug, Args)]
#[command(arg_required_else_help = false)]
pub(super) struct SettingsArgs {
    #[command(subcommand)]
    direction: Direction,
}

#[derive(Clone, Debug, Subcommand)]
enum Direction {
    /// Write the settings to a TOML file, without secrets
    Export(Export),
    /// Replace all settings by those of a TOML file; what it does not name gets its default, secrets are kept
    Import(Import),
    /// Print what a setting does, what its value may be, and its default; without NAME list all settings
    Describe(Describe),
}

#[derive(Clone, Debug, Args)]
struct Export {
    /// The file to write [standard output]
    #[arg(value_name = "FILE", default_value = STANDARD, hide_default_value = true)]
    file: PathBuf,
    #[command(flatten)]
    place: DataDirectoryArgs,
}

#[derive(Clone, Debug, Args)]
struct Import {
    /// The file to read; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Accept settings that make an open relay
    #[arg(long)]
    open_relay: bool,
    /// Check the file and print what would change, without changing anything
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: DataDirectoryArgs,
}

#[derive(Clone, Debug, Args)]
struct Describe {
    /// The setting, as the API and settings files name it: antispam.timeout_seconds
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Exports, imports or describes.
pub(super) fn run(written: &SettingsArgs, environment: &Environment) -> Result<(), Failure> {
    match &written.direction {
        Direction::Export(written) => export(written, environment),
        Direction::Import(written) => import(written, environment),
        Direction::Describe(written) => describe(written),
    }
}

fn export(written: &Export, environment: &Environment) -> Result<(), Failure> {
    let data_directory = written.place.path(environment);
    let text = serve::runtime()?
        .block_on(settings_file::export(&data_directory))
        .map_err(|error| failure(error, &data_directory))?;
    let done = if written.file == Path::new(STANDARD) {
        io::stdout().write_all(text.as_bytes())
    } else {
        write(&written.file, &text).map(|()| println!("written to {}", written.file.display()))
    };
    done.map_err(|error| Failure::io(format!("{}: {error}", written.file.display())))
}

/// Writes a file for its owner only, also where one was there that others could read.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut opened = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .open(file)?;
    // Not of a pipe or a terminal.
    if opened.metadata()?.is_file()
        && let Err(error) = opened.set_permissions(Permissions::from_mode(0o600))
    {
        // Another user's file, which others may go on reading: they let us write to it.
        eprintln!(
            "fastpath: {}: others may be able to read it: {error}",
            file.display()
        );
    }
    opened.write_all(text.as_bytes())
}

fn import(written: &Import, environment: &Environment) -> Result<(), Failure> {
    let data_directory = written.place.path(environment);
    let text = read(&written.file)
        .map_err(|error| Failure::io(format!("{}: {error}", written.file.display())))?;
    let actor = Actor::command("admin");
    let open_relay = match written.open_relay {
        true => OpenRelay::Meant,
        false => OpenRelay::Unsaid {
            how: "give --open-relay if that is meant",
        },
    };
    let run = if written.dry_run {
        ImportMode::Dry
    } else {
        ImportMode::Real
    };
    let importing = settings_file::import(&data_directory, &text, open_relay, run, &actor);
    let changed = serve::runtime()?
        .block_on(importing)
        .map_err(|error| match error {
            SettingsFileError::Open(_)
            | SettingsFileError::Store(_)
            | SettingsFileError::Missing => failure(error, &data_directory),
            wrong => failure(wrong, &written.file),
        })?;
    if changed.is_empty() {
        println!("nothing changed");
    } else if written.dry_run {
        println!("would change: {}", changed.join(", "));
    } else {
        println!(
            "changed: {}; an appliance that runs follows within a second",
            changed.join(", ")
        );
    }
    Ok(())
}

fn describe(written: &Describe) -> Result<(), Failure> {
    let text = match written.name.as_deref() {
        Some(name) => {
            let unknown = || Failure::new(Exit::Usage, format!("there is no setting “{name}”"));
            format!("{}\n", catalogue::describe(name).ok_or_else(unknown)?)
        }
        None => {
            let lines = catalogue::all().iter();
            let lines = lines.map(|setting| format!("{}: {}\n", setting.path, setting.label));
            lines.collect()
        }
    };
    // A reader that has seen enough, like a pager, has closed the pipe.
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::io(error)),
        _ => Ok(()),
    }
}

fn read(file: &Path) -> io::Result<String> {
    let source: Box<dyn io::Read> = if file == Path::new(STANDARD) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file)?)
    };
    let mut text = String::new();
    let length = source
        .take(limits::SETTINGS_FILE_BYTES + 1)
        .read_to_string(&mut text)?;
    if length as u64 > limits::SETTINGS_FILE_BYTES {
        return Err(io::Error::other("it is too long for a settings file"));
    }
    Ok(text)
}

/// `place` is what the error is about: the file, or the data directory.
fn failure(error: SettingsFileError, place: &Path) -> Failure {
    let about = |error: &dyn std::fmt::Display| format!("{}: {error}", place.display());
    match &error {
        SettingsFileError::Fields(fields)
        | SettingsFileError::Open(OpenError::Settings(fields)) => {
            let lines = fields.0.iter();
            let lines = lines.map(|(field, problem)| about(&format!("{field}: {problem}")));
            Failure::of_lines(Exit::Data, lines)
        }
        SettingsFileError::Syntax { .. } | SettingsFileError::Empty => {
            Failure::new(Exit::Data, about(&error))
        }
        SettingsFileError::Missing => Failure::new(Exit::Usage, about(&error)),
        SettingsFileError::Open(_) | SettingsFileError::Store(_) => Failure::io(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::FieldErrors;

    #[test]
    fn every_field_that_does_not_hold_has_its_line() {
        let mut errors = FieldErrors::default();
        errors.add("path", "must be fast\nor standard");
        errors.add("weather", "there is no such setting");
        let failure = failure(SettingsFileError::Fields(errors), Path::new("mine.toml"));
        assert_eq!(failure.exit, Exit::Data);
        assert_eq!(
            failure.to_string(),
            "mine.toml: path: must be fast or standard\nmine.toml: weather: there is no such setting"
        );
    }

    #[test]
    fn a_setting_that_is_unknown_is_a_wrong_argument() {
        let described = |name: &str| {
            let name = Some(name.to_owned());
            describe(&Describe { name })
        };
        assert!(described("antispam.engine").is_ok());
        let failure = described("weather").expect_err("there is none");
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.to_string(), "there is no setting “weather”");
    }
}
