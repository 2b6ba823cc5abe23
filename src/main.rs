//! Parses the command line, runs a command, and maps its failure to an exit code.

use std::process::ExitCode;

use fastpath::commands;
use fastpath::commands::environment::Environment;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run(std::env::args_os(), &Environment::of_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("fastpath: {failure}");
            failure.exit.into()
        }
    }
}
