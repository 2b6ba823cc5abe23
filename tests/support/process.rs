//! What the system says about a process: its memory, its writes, and signals to it.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// A process by its id, as `/proc` shows it.
#[derive(Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Sends `signal`; a process that has ended already is an error of the scene.
    pub(crate) fn signal(self, signal: Signal) {
        let pid = Pid::from_raw(self.0.cast_signed()).expect("a process id is positive");
        kill_process(pid, signal).expect("the process is there");
    }

    /// As [`Process::signal`], for a process that may have ended already.
    pub(crate) fn try_signal(self, signal: Signal) {
        let pid = Pid::from_raw(self.0.cast_signed()).expect("a process id is positive");
        let _ = kill_process(pid, signal);
    }

    /// Whether it runs; one that has ended and that nobody has asked about does not.
    pub(crate) fn is_running(self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let state = status.lines().find(|line| line.starts_with("State:"));
        state.is_some_and(|state| !state.contains(['Z', 'X']))
    }

    /// The processes it started itself and that still run.
    pub(crate) fn children(self) -> Vec<Process> {
        let id = self.0;
        let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let ids = text.split_whitespace().map(|id| id.parse().unwrap());
        ids.map(Process).collect()
    }

    /// Bytes this process caused to be written to storage since its start.
    pub(crate) fn written_bytes(self) -> u64 {
        self.field("io", "write_bytes:")
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(self) -> u64 {
        self.field("status", "VmRSS:") * 1_024
    }

    fn field(self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.0)).unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or_else(|| panic!("/proc/{}/{file} has no {name}", self.0))
    }
}
