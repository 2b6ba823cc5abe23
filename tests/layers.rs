//! The house's arrows point down, and what must be absent from a room is absent.
//!
//! This reads the sources as text. It looks at program code only: comments do not count, nor does
//! what stands in a test module.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// From top to bottom. Modules of one line stand beside each other and may use one another.
const LAYERS: &[&[&str]] = &[
    &["main", "fuzzing"],
    &["appliance", "commands"],
    &["web"],
    &["alerts"],
    &["administration"],
    &["listener"],
    &["session"],
    &["path", "queue"],
    &["conditions"],
    &["delivery"],
    &["dns"],
    &["statistics"],
    &["store"],
    &["accounts", "openpgp"],
    &["mime"],
    &["message", "settings"],
    &["own_mark"],
    &["smtp"],
    &[
        "tls",
        "boot",
        "clients",
        "sock_diag",
        "system_error",
        "limits",
    ],
];

/// A text that may stand only in these places; a place is a path below `src/`, or the front of one.
struct Absence {
    text: &'static str,
    but_in: &'static [&'static str],
}

const ABSENCES: &[Absence] = &[
    Absence {
        text: "sqlx",
        but_in: &["store/"],
    },
    Absence {
        text: "axum",
        but_in: &["web/"],
    },
    Absence {
        text: "askama",
        but_in: &["web/", "queue/report"],
    },
    Absence {
        text: "pgp::",
        but_in: &["openpgp/"],
    },
    Absence {
        text: "TcpStream",
        but_in: SOCKETS,
    },
    Absence {
        text: "TcpListener",
        but_in: SOCKETS,
    },
    Absence {
        text: "TcpSocket",
        but_in: SOCKETS,
    },
    Absence {
        text: "UdpSocket",
        but_in: SOCKETS,
    },
    Absence {
        text: "UnixStream",
        but_in: SOCKETS,
    },
    Absence {
        text: "UnixListener",
        but_in: SOCKETS,
    },
];

const SOCKETS: &[&str] = &[
    "listener",
    "session",
    "delivery",
    "tls",
    "web",
    "alerts",
    "commands",
    "conditions/",
    "dns/scripted",
];

/// Rooms that never wait and do not know what time it is.
const PURE: &[&str] = &[
    "smtp/",
    "path/verdict",
    "queue/schedule",
    "conditions/decision",
];
const IMPURITIES: &[&str] = &[
    ".await",
    "async fn",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "tokio::",
];

/// One source file: its path below `src/`, and its program code.
struct Source {
    path: String,
    code: String,
}

impl Source {
    /// The top-level module that the file belongs to.
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    /// The lines that have `word` as a whole word (or phrase), by number.
    fn lines_with<'a>(&'a self, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        let part_of_word = |character: char| character.is_alphanumeric() || character == '_';
        let numbered = self
            .code
            .lines()
            .enumerate()
            .map(|(number, line)| (number + 1, line));
        numbered.filter(move |(_, line)| {
            line.match_indices(word).any(|(at, _)| {
                let before = line[..at].chars().next_back().is_some_and(part_of_word);
                let after = line[at + word.len()..]
                    .chars()
                    .next()
                    .is_some_and(part_of_word);
                let word_begins = word.starts_with(part_of_word);
                let word_ends = word.ends_with(part_of_word);
                !(word_begins && before || word_ends && after)
            })
        })
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !holds_tests(&path)
            {
                let code = program_code(&fs::read_to_string(&path).unwrap());
                let path = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                sources.push(Source { path, code });
            }
        }
    }
    assert!(!sources.is_empty());
    sources
}

/// Whether a file is a test module of its own, which its name says.
fn holds_tests(path: &Path) -> bool {
    let parent = path.parent().and_then(Path::file_name);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    matches!(&*stem, "tests" | "testing")
        || stem.ends_with("_tests")
        || parent.is_some_and(|name| name == "tests")
}

/// The text without comments and without what is compiled for tests only; line numbers stay.
fn program_code(text: &str) -> String {
    let mut code = String::new();
    let mut skipping_until: Option<String> = None;
    let mut test_begins = false;
    for line in text.lines() {
        let indentation: String = line
            .chars()
            .take_while(|character| *character == ' ')
            .collect();
        let trimmed = line.trim();
        if let Some(end) = &skipping_until {
            if line == end {
                skipping_until = None;
            }
        } else if trimmed == "#[cfg(test)]" {
            test_begins = true;
        } else if test_begins {
            // Formatted code closes an item at the indentation where it began.
            if trimmed.ends_with('{') {
                skipping_until = Some(format!("{indentation}}}"));
                test_begins = false;
            } else if trimmed.ends_with(';') || trimmed.ends_with('}') {
                test_begins = false;
            }
        } else if !trimmed.starts_with("//") {
            code.push_str(line);
        }
        code.push('\n');
    }
    code
}

/// The modules of ours that a file names: `crate::name`, and each of `crate::{…}`.
fn named_modules(source: &Source) -> Vec<String> {
    let mut names = Vec::new();
    for root in ["crate::", "fastpath::"] {
        for (at, _) in source.code.match_indices(root) {
            let rest = &source.code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(group) => names.extend(first_names(group)),
                None => names.push(word(rest)),
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The first name of each member of a `use` group, whose opening brace is behind us.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_u32;
    let mut member = String::new();
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(std::mem::take(&mut member).trim())),
            _ if depth == 0 => member.push(character),
            _ => {}
        }
    }
    names.push(word(member.trim()));
    names
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

#[test]
fn arrows_point_down() {
    let floor: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(floor, modules)| modules.iter().map(move |module| (*module, floor)))
        .collect();
    let mut upwards = Vec::new();
    for source in sources() {
        if source.module() == "lib" {
            continue;
        }
        let own = *floor.get(source.module()).unwrap_or_else(|| {
            panic!("{} belongs to no layer: give it one in LAYERS", source.path)
        });
        for name in named_modules(&source) {
            if floor.get(name.as_str()).is_some_and(|other| *other < own) {
                upwards.push(format!(
                    "src/{} uses {name}, which stands above it",
                    source.path
                ));
            }
        }
    }
    upwards.dedup();
    assert!(upwards.is_empty(), "\n{}", upwards.join("\n"));
}

#[test]
fn what_must_be_absent_is_absent() {
    let mut found = Vec::new();
    for source in sources() {
        for absence in ABSENCES
            .iter()
            .filter(|absence| !source.is_in(absence.but_in))
        {
            for (number, line) in source.lines_with(absence.text) {
                found.push(format!("src/{}:{number}: {}", source.path, line.trim()));
            }
        }
        for impurity in IMPURITIES.iter().filter(|_| source.is_in(PURE)) {
            for (number, line) in source.lines_with(impurity) {
                found.push(format!(
                    "src/{}:{number}: not pure: {}",
                    source.path,
                    line.trim()
                ));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_reader_of_sources_sees_what_counts() {
    let text = "use crate::{smtp, message::{Body, store}};\n// sqlx\nfn f() { crate::path::go() }\n\
                #[cfg(test)]\nmod tests {\n    use crate::web;\n}\n#[cfg(test)]\nuse sqlx;\nlet a = 1;\n";
    let source = Source {
        path: "queue/runner.rs".to_owned(),
        code: program_code(text),
    };
    assert_eq!(named_modules(&source), ["smtp", "message", "path"]);
    assert_eq!(source.module(), "queue");
    assert_eq!(source.lines_with("sqlx").count(), 0);
    assert_eq!(
        source
            .lines_with("go")
            .map(|(number, _)| number)
            .collect::<Vec<_>>(),
        [3]
    );
    assert_eq!(
        source
            .lines_with("let")
            .map(|(number, _)| number)
            .collect::<Vec<_>>(),
        [10]
    );
    assert!(source.is_in(&["queue/runner"]) && !source.is_in(&["queue/schedule"]));
}
