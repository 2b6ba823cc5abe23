//! How much memory there is: the least of what the machine has and what every group and limit around this
//! process leaves it.

use std::path::{Path, PathBuf};

use rustix::process::Resource;

/// The groups that this process is in, proc(5) and cgroups(7).
const GROUPS: &str = "/proc/self/cgroup";
/// Where the trees of groups are: version 2 alone, beside version 1, and the memory tree of version 1.
const TREES: [Tree; 3] = [
    Tree {
        root: "/sys/fs/cgroup",
        controller: "",
        limit: "memory.max",
    },
    Tree {
        root: "/sys/fs/cgroup/unified",
        controller: "",
        limit: "memory.max",
    },
    Tree {
        root: "/sys/fs/cgroup/memory",
        controller: "memory",
        limit: "memory.limit_in_bytes",
    },
];

/// A tree of groups as it is mounted.
struct Tree {
    root: &'static str,
    /// The controller that counts in it; empty in version 2, where all do.
    controller: &'static str,
    /// The file with a group's limit.
    limit: &'static str,
}

/// Bytes of memory that the machine, or the container, gives us.
#[must_use]
pub fn memory_bytes() -> u64 {
    let machine = rustix::system::sysinfo();
    let machine = machine.totalram as u64 * u64::from(machine.mem_unit);
    let groups = std::fs::read_to_string(GROUPS).unwrap_or_default();
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let of_groups = least_limit(&groups, &read);
    // A limit of `ulimit -v` or `-d` ends the process as surely as a group's.
    let of_process = [Resource::As, Resource::Data].into_iter();
    let of_process = of_process.filter_map(|one| rustix::process::getrlimit(one).current);
    of_process.chain(of_groups).fold(machine, u64::min)
}

/// The least limit of the groups in this table, and of those around them; none when nothing is limited.
fn least_limit(groups: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let trees = TREES.iter();
    let limits = trees.flat_map(|tree| {
        files(tree, groups)
            .filter_map(|file| read(&file)?.trim().parse().ok())
            .collect::<Vec<u64>>()
    });
    limits.min()
}

/// The files with the limits of our group in a tree and of those around it. In a container the table may name
/// a group by its place outside, of which only the innermost is to be seen: as the root.
fn files(tree: &Tree, groups: &str) -> impl Iterator<Item = PathBuf> {
    let group = groups.lines().find_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        let counts = controllers.split(',').any(|one| one == tree.controller);
        counts.then_some(group)
    });
    let group = Path::new(group.unwrap_or("/"));
    let around = group
        .ancestors()
        .filter_map(|one| one.strip_prefix("/").ok());
    around.map(|group| Path::new(tree.root).join(group).join(tree.limit))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// The least limit with these files in `/sys/fs/cgroup`.
    fn check(groups: &str, files: &[(&str, &str)], expected: Option<u64>) {
        let files: HashMap<PathBuf, &str> = files
            .iter()
            .map(|(name, text)| (Path::new("/sys/fs/cgroup").join(name), *text))
            .collect();
        let read = |path: &Path| files.get(path).map(|text| (*text).to_owned());
        assert_eq!(least_limit(groups, &read), expected, "{groups} {files:?}");
    }

    #[test]
    fn a_container_sees_its_group_as_the_root() {
        check(
            "0::/\n",
            &[("memory.max", "268435456\n")],
            Some(268_435_456),
        );
        check("0::/\n", &[("memory.max", "max\n")], None);
        check("0::/\n", &[], None);
        check("", &[], None);
        let outside = "5:cpu:/docker/1\n4:memory:/docker/1\n0::/\n";
        let limit = [("memory/memory.limit_in_bytes", "1000\n")];
        check(outside, &limit, Some(1_000));
    }

    #[test]
    fn the_groups_around_count_as_well() {
        let files = [
            ("system.slice/memory.max", "2000\n"),
            ("system.slice/relay.service/memory.max", "max\n"),
        ];
        check("0::/system.slice/relay.service\n", &files, Some(2_000));
        check("0::/system.slice\n", &files, Some(2_000));
        check("0::/user.slice\n", &files, None);
        let both = "4:memory:/a/b\n0::/c\n";
        let files = [
            ("memory/a/b/memory.limit_in_bytes", "500"),
            ("memory/a/memory.limit_in_bytes", "400"),
            ("unified/c/memory.max", "300"),
        ];
        check(both, &files, Some(300));
        check(both, &files[..2], Some(400));
        let shared = "4:cpu,memory:/a/b\n";
        check(shared, &files[..1], Some(500));
    }

    #[test]
    fn the_machine_has_memory() {
        assert!(memory_bytes() > 1 << 20);
    }
}
