//! Whether the data directory outlives the container that the appliance runs in.
//!
//! A queue that is gone after an update is what administrators of mail containers complain about most,
//! and they learn it too late. So the start looks at where the data directory lies.

use std::path::{Path, PathBuf};

/// The table of mounts as this process sees them, proc(5).
const MOUNT_TABLE: &str = "/proc/self/mountinfo";
/// Files that container engines put into every container.
const MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// What becomes of a directory at its container's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It lies on a mount with a name or on a directory of the host.
    Kept,
    /// It lies in the container itself, and goes with it.
    Container,
    /// It lies in memory, and goes with the container.
    Memory,
    /// It lies on a volume without a name, that the next container does not get.
    Nameless,
}

impl Keeping {
    /// What the table of mounts says about `directory`. Where it cannot be read, nothing is claimed.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        let directory = std::fs::canonicalize(directory);
        match (std::fs::read_to_string(MOUNT_TABLE), directory) {
            (Ok(table), Ok(directory)) => Self::judge(&table, &directory),
            _ => Self::Kept,
        }
    }

    /// Decides by the deepest mount that `directory` lies on; of several on one place, the last one
    /// covers the others.
    fn judge(table: &str, directory: &Path) -> Self {
        let deepest = table
            .lines()
            .filter_map(Mount::parse)
            .filter(|mount| directory.starts_with(&mount.place))
            .max_by_key(|mount| mount.place.components().count());
        match deepest {
            None => Self::Kept,
            Some(mount) if mount.place == Path::new("/") => Self::Container,
            Some(mount) if matches!(mount.kind, "tmpfs" | "ramfs") => Self::Memory,
            Some(mount) if is_nameless_volume(&mount.source) => Self::Nameless,
            Some(_) => Self::Kept,
        }
    }

    /// What an administrator has to know; none when all is well.
    #[must_use]
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Kept => None,
            Self::Container => Some(
                "the data directory is not a mount: the queue and all settings are lost when this container is removed",
            ),
            Self::Memory => Some(
                "the data directory is in memory: the queue and all settings are lost when this container stops",
            ),
            Self::Nameless => Some(
                "the data directory is a volume without a name: the next container starts without the queue and the settings",
            ),
        }
    }
}

/// Whether this process runs in a container, as far as that can be seen.
#[must_use]
pub fn is_marked() -> bool {
    MARKS.iter().any(|mark| Path::new(mark).exists())
}

/// One line of the table.
struct Mount<'a> {
    /// The directory of the mounted file system that is seen.
    source: PathBuf,
    /// Where it is seen.
    place: PathBuf,
    /// The type of the file system.
    kind: &'a str,
}

impl<'a> Mount<'a> {
    /// `36 35 98:0 /source /place rw,noatime master:1 - ext4 /dev/sda1 rw`, with any number of fields
    /// before the hyphen.
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        Some(Self {
            source: unescape(fields.next()?),
            place: unescape(fields.next()?),
            kind: after.split(' ').next()?,
        })
    }
}

/// Space, tab, newline and backslash are written as a backslash and three octal digits.
fn unescape(field: &str) -> PathBuf {
    let mut parts = field.split('\\');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                path.push(char::from(code));
                path.push_str(&part[3..]);
            }
            None => {
                path.push('\\');
                path.push_str(part);
            }
        }
    }
    path.into()
}

/// Docker and Podman keep volumes in `…/volumes/NAME/_data` and name those without a name by 64
/// hexadecimal digits.
fn is_nameless_volume(source: &Path) -> bool {
    let mut names = source.iter().rev().map(|name| name.to_string_lossy());
    let is_volume = names.next().is_some_and(|name| name == "_data");
    let is_random = |name: &str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    is_volume && names.next().is_some_and(|name| is_random(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "20 1 0:30 / / ro,relatime - overlay overlay rw,lowerdir=/a\n\
                        21 20 0:31 / /dev rw,nosuid - tmpfs tmpfs rw\n\
                        22 20 253:0 /etc/hosts /etc/hosts rw master:5 shared:1 - ext4 /dev/vda rw\n";

    fn check(mounts: &str, directory: &str, expected: Keeping) {
        let table = format!("{ROOT}{mounts}");
        let keeping = Keeping::judge(&table, Path::new(directory));
        assert_eq!(keeping, expected, "{directory} on {mounts}");
    }

    #[test]
    fn the_deepest_mount_decides() {
        let volume = "30 20 253:0 /var/lib/docker/volumes/mail/_data /data rw - ext4 /dev/vda rw\n";
        check("", "/data", Keeping::Container);
        check(volume, "/data", Keeping::Kept);
        check(volume, "/data/relay", Keeping::Kept);
        check(volume, "/database", Keeping::Container);
        let below = "31 30 0:40 / /data/fast rw - tmpfs tmpfs rw\n";
        check(&format!("{volume}{below}"), "/data/fast", Keeping::Memory);
        check(&format!("{volume}{below}"), "/data", Keeping::Kept);
        let over = "32 30 0:41 / /data rw - tmpfs tmpfs rw\n";
        check(&format!("{volume}{over}"), "/data", Keeping::Memory);
        check("", "/dev/data", Keeping::Memory);
    }

    #[test]
    fn a_volume_without_a_name_is_known_by_its_digits() {
        let digits = "0123456789abcdef".repeat(4);
        let mount = |name: &str| {
            format!("30 20 253:0 /storage/volumes/{name}/_data /data rw - ext4 /dev/vda rw\n")
        };
        check(&mount(&digits), "/data", Keeping::Nameless);
        check(&mount(&digits[1..]), "/data", Keeping::Kept);
        check(&mount("mail"), "/data", Keeping::Kept);
        let bound = format!("30 20 253:0 /srv/{digits} /data rw - ext4 /dev/vda rw\n");
        check(&bound, "/data", Keeping::Kept);
    }

    #[test]
    fn places_with_spaces_are_read() {
        let mount = "30 20 253:0 /srv/mail\\040box /my\\040data rw - ext4 /dev/vda rw\n";
        check(mount, "/my data", Keeping::Kept);
        assert_eq!(unescape("a\\134b\\9"), Path::new("a\\b\\9"));
    }

    #[test]
    fn a_table_that_says_nothing_warns_of_nothing() {
        assert_eq!(Keeping::judge("", Path::new("/data")), Keeping::Kept);
        assert_eq!(
            Keeping::judge("nonsense\n\n", Path::new("/")),
            Keeping::Kept
        );
        assert_eq!(Keeping::Kept.warning(), None);
        assert!(
            Keeping::Container
                .warning()
                .is_some_and(|text| text.contains("not a mount"))
        );
    }
}
