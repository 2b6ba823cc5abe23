//! A memory cgroup with a limit, as a container has one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A group of its own, gone when this is dropped; what runs in it has to have ended by then.
pub(crate) struct MemoryGroup {
    path: PathBuf,
    version: &'static Version,
}

/// Where groups are and what their files are called.
struct Version {
    root: &'static str,
    limit: &'static str,
    /// A file with a line `oom_kill N`.
    events: &'static str,
}

const VERSIONS: [Version; 2] = [
    Version {
        root: "/sys/fs/cgroup",
        limit: "memory.max",
        events: "memory.events",
    },
    Version {
        root: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        events: "memory.oom_control",
    },
];

impl MemoryGroup {
    /// Makes one, or says why that is not possible here: it needs root, and a tree of groups that may be
    /// written to. In continuous integration it must be possible.
    pub(crate) fn limited_to(bytes: u64) -> Option<MemoryGroup> {
        let mut complaints = Vec::new();
        for version in &VERSIONS {
            match make(version, bytes) {
                Ok(path) => return Some(MemoryGroup { path, version }),
                Err(complaint) => complaints.push(complaint.to_string()),
            }
        }
        assert!(
            std::env::var_os("CI").is_none(),
            "no memory group can be made: {complaints:?}"
        );
        eprintln!("THIS SCENE WAS LEFT OUT: a memory group needs root: {complaints:?}");
        None
    }

    /// The beginning of a command line that runs the rest of it in the group.
    pub(crate) fn command(&self) -> Vec<String> {
        let members = self.path.join("cgroup.procs");
        let enter = format!("echo $$ > {} && exec \"$@\"", members.display());
        ["sh", "-c", &enter, "sh"].map(str::to_owned).to_vec()
    }

    /// How often the system killed somebody in it for want of memory.
    pub(crate) fn kills(&self) -> u64 {
        let events = fs::read_to_string(self.path.join(self.version.events)).unwrap();
        let kills = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        kills.expect("the kernel counts them").parse().unwrap()
    }
}

fn make(version: &Version, bytes: u64) -> std::io::Result<PathBuf> {
    let name = format!("fastpath-scene-{}", std::process::id());
    let path = Path::new(version.root).join(name);
    fs::create_dir(&path)?;
    // Where no such tree is mounted, an ordinary directory was made, and has no such file.
    let limited = File::options()
        .write(true)
        .open(path.join(version.limit))
        .and_then(|mut file| file.write_all(bytes.to_string().as_bytes()));
    if limited.is_err() {
        let _ = fs::remove_dir(&path);
    }
    limited.map(|()| path)
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A member that was just killed may still be on its way out; a group without members costs nothing.
        let _ = fs::remove_dir(&self.path);
    }
}
