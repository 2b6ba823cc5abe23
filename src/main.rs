//! Parses the command line, runs a command, and maps its failure to an exit code.

use std::process::ExitCode;

use fastpath::commands::environment::Environment;
use fastpath::{boot, commands};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    boot::make_for_the_owner_only();
    match commands::run(std::env::args_os(), &Environment::of_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("fastpath: {failure}");
            failure.exit.into()
        }
    }
}
