//! The commands: serve, demo, sink, healthcheck, admin.
//!
//! Each has its options in two steps: as written (what the command line and the environment say) and
//! as run (checked, before anything is opened or bound).

mod admin;
mod admin_settings;
mod backup;
mod demo;
pub mod environment;
pub mod failure;

mod healthcheck;

mod load_generator;
mod log_writer;
mod logging;
pub mod options;
mod report_box;
mod sample_messages;
mod serve;
mod sink;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use environment::Environment;
pub use failure::{Exit, Failure};

/// A mail relay that delivers a message before it says 250.
#[derive(Debug, Parser)]
#[command(name = "fastpath", version, about, disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: MainCommand,
}

#[derive(Debug, Subcommand)]
enum MainCommand {
    /// Run the appliance
    Serve(options::ServeArgs),
    /// Run the appliance with an embedded destination and sample mail: the five-minute tour
    Demo(options::ServeArgs),
    /// Run a test destination that accepts, defers or refuses by recipient
    Sink(sink::SinkArgs),
    /// Ask a running appliance whether it accepts mail; the exit code is 0 if it does, else 1
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Administer an appliance through its data directory: passwords, tokens, settings, backups
    #[command(subcommand)]
    Admin(admin::AdminCommand),
}

/// Runs the command that `arguments` name; the first is the program's name.
///
/// # Errors
/// What went wrong, in one line, with the exit code that says what kind of thing it was.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<(), Failure> {
    let command_line = match CommandLine::try_parse_from(arguments) {
        Ok(command_line) => command_line,
        // Help and version are answers, not errors.
        Err(answer) if !answer.use_stderr() => {
            return answer.print().map_err(|error| Failure::io(&error));
        }
        Err(error) => return Err(failure::of_usage(&error)),
    };
    match command_line.command {
        MainCommand::Serve(written) => serve::run(written.check(environment)?),
        MainCommand::Demo(written) => demo::run(&written, environment),
        MainCommand::Sink(written) => sink::run(&written.check()?),
        MainCommand::Healthcheck(written) => healthcheck::run(&written.check(environment)?),
        MainCommand::Admin(command) => admin::run(command, environment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], expected: &str) {
        let arguments = ["fastpath"].iter().chain(arguments).map(OsString::from);
        let failure = run(arguments, &Environment::default()).expect_err("a bad command line");
        assert_eq!(failure.to_string(), expected);
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn a_bad_command_line_is_one_line_that_names_the_option() {
        check(
            &[],
            "a command is missing: serve, demo, sink, healthcheck or admin",
        );
        check(
            &["admin", "settings"],
            "a command is missing: admin settings export, import or describe",
        );
        check(
            &["admin", "backup"],
            "the following required arguments were not provided: <DIRECTORY>",
        );
        check(&["fly"], "unrecognized subcommand 'fly'");
        check(
            &["admin"],
            "a command is missing: admin reset-password, create-token, settings, backup, restore or repair",
        );
        check(
            &["admin", "create-token", "backup", "--scope", "all"],
            "--scope: “all” is none of read_only, operate, read_write",
        );
        check(
            &["serve", "--smpt-listen", "x"],
            "unexpected argument '--smpt-listen' found",
        );
        check(
            &["serve", "--web-listen"],
            "a value is required for '--web-listen <ADDRESS:PORT>' but none was supplied",
        );
        check(
            &["serve", "--hostname", "a", "--hostname", "b"],
            "the argument '--hostname <NAME>' cannot be used multiple times",
        );
        check(
            &["serve", "--web-listen", "nowhere"],
            "--web-listen: “nowhere” is not an address and a port, such as 127.0.0.1:2525",
        );
        check(
            &["sink", "--listen", "2600"],
            "--listen: “2600” is not an address and a port, such as 127.0.0.1:2525",
        );
    }
}
