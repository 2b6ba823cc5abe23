//! The house's arrows point down, from room to room and inside the rooms, and what must be absent from a room is
//! absent.
//!
//! This reads program code only, as syntax: comments do not count, nor does what is compiled for tests or
//! fuzzing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree, Visibility};

use crate::support::source_items::{attributes, is_for_tests};

/// From top to bottom. Modules of one line stand beside each other and may use one another.
const LAYERS: &[&[&str]] = &[
    &["main"],
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

/// A room and its parts from top to bottom. Parts of one line do not know each other. A part is a file or a folder
/// directly in the room; [`OWN_FILE`] is the room's own, whose re-exports are not counted as its arrows.
struct Room {
    path: &'static str,
    parts: &'static [&'static [&'static str]],
}

/// The part that is the room's own file.
const OWN_FILE: &str = "mod";

const ROOMS: &[Room] = &[
    Room {
        path: "conditions",
        parts: &[
            &["envelope_pipeline"],
            &["pipeline"],
            &["decision"],
            &["mod"],
            &[
                "antispam",
                "antivirus",
                "blackhole_lists",
                "content_filter",
                "encryption",
                "ldap_masquerading",
                "ldap_relaying",
                "milter",
                "own",
                "received_for",
                "sender_check",
            ],
            &["check"],
            &["draft", "services"],
            &[
                "blocks",
                "directory",
                "facts",
                "from_field",
                "verdict",
                "zone_services",
            ],
            &[
                "draft_reader",
                "new_body",
                "service_access",
                "service_stream",
                "words",
            ],
            &["header", "resources", "service"],
        ],
    },
    Room {
        path: "conditions/blackhole_lists",
        parts: &[&["mod"], &["tally"], &["listing"]],
    },
    Room {
        path: "conditions/content_filter",
        parts: &[&["mod"], &["answers"]],
    },
    Room {
        path: "conditions/directory",
        parts: &[
            &["mod"],
            &["connection"],
            &["message"],
            &["ber", "entry", "trust"],
        ],
    },
    Room {
        path: "conditions/milter",
        parts: &[
            &["mod"],
            &["dialogue"],
            &["changes", "incoming", "response", "telling"],
            &["change", "numbered_header", "stage", "text"],
            &["packet"],
        ],
    },
    Room {
        path: "delivery",
        parts: &[
            &["mail_transaction_start"],
            &["open_transaction"],
            &["attempt"],
            &["approach", "probe"],
            &["mod"],
            &["known_next_hops", "transaction"],
            &["connector", "content", "pool"],
            &["connection"],
            &["address_penalty", "conversation_error", "envelope"],
            &["breaker", "certificate", "resolve"],
            &["verdicts"],
            &[
                "conversion",
                "figures",
                "mx",
                "request",
                "stream",
                "tls_client",
            ],
        ],
    },
    Room {
        path: "delivery/conversion",
        parts: &[
            &["mod"],
            &["convert", "survey"],
            &["content", "header"],
            &["content_writer"],
            &["addresses", "encoded_words", "parameters"],
            &["words"],
            &["folding"],
            &["encode", "plan"],
        ],
    },
    Room {
        path: "mime",
        parts: &[
            &["mod"],
            &["parts"],
            &["structure"],
            &["delimiters", "lines", "part_header"],
            &["parameters"],
            &["encoded_word", "header_fields"],
            &["charset", "transfer_encoding"],
            &["lexical"],
        ],
    },
    Room {
        path: "openpgp",
        parts: &[&["mod"], &["encryption", "keyring"], &["key"]],
    },
    Room {
        path: "web",
        parts: &[
            &["mod"],
            &["routes"],
            &["api"],
            &["account", "api_tokens", "live", "settings"],
            &[
                "accounts",
                "audit",
                "confirm",
                "dashboard",
                "login",
                "message",
                "messages",
                "own_account",
                "queue",
                "setup",
                "smtp_logins",
            ],
            &["page", "queued", "route", "search"],
            &["access"],
            &["cookies", "plain"],
            &["health", "metrics", "origin"],
            &["alerts", "chart", "extract", "story"],
            &["context"],
            &[
                "listener",
                "message_search",
                "pairs",
                "problems",
                "search_permits",
            ],
            &["connection", "error", "local_path", "paging", "select"],
            &[
                "assets",
                "connection_limit",
                "live_feed",
                "query_string",
                "wording",
            ],
        ],
    },
    Room {
        path: "web/api",
        parts: &[
            &[
                "accounts",
                "alerts",
                "audit",
                "conditions",
                "content_filter",
                "messages",
                "next_hops",
                "openapi",
                "openpgp_keys",
                "queue",
                "settings",
                "smtp_logins",
                "statistics",
                "tokens",
            ],
            &["mod"],
        ],
    },
    Room {
        path: "web/dashboard",
        parts: &[&["mod"], &["cards"], &["figures", "traffic"]],
    },
    Room {
        path: "web/queue",
        parts: &[
            &["pause"],
            &["actions", "listing", "recipient"],
            &["destinations", "row"],
            &["query"],
            &["notice"],
            &["button", "headers", "mod"],
        ],
    },
    Room {
        path: "web/settings",
        parts: &[
            &["section"],
            &[
                "access",
                "alerts",
                "conditions",
                "entry",
                "listeners",
                "next_hop_test",
                "next_hops",
                "retention",
                "what_if",
            ],
            &["entry_page", "page"],
            &["mod"],
            &["condition_pages", "form"],
            &["field"],
            &["submission"],
        ],
    },
    Room {
        path: "web/story",
        parts: &[&["mod"], &["sentence"], &["recipient_status"]],
    },
    Room {
        path: "store",
        parts: &[
            &["mod"],
            &["copy", "repair", "disk"],
            &["queue", "administration", "trail"],
            &["rows"],
            &["database"],
        ],
    },
    Room {
        path: "store/queue",
        parts: &[
            &["clock_step", "rerouting"],
            &[
                "actions",
                "damaged",
                "detail",
                "due",
                "figures",
                "selection",
            ],
            &["destinations", "listing", "load"],
            &["mod"],
            &["group"],
            &["write"],
            &["filter", "plan"],
        ],
    },
    Room {
        path: "store/administration",
        parts: &[
            &["access", "offline"],
            &["accounts"],
            &["api_tokens", "sessions"],
            &["openpgp_keys", "settings", "smtp_logins"],
            &["audit"],
            &["mod"],
            &["refusal"],
        ],
    },
    Room {
        path: "store/trail",
        parts: &[
            &["search"],
            &["prune"],
            &["figures", "size", "story", "walk"],
            &["read"],
            &["mod"],
            &["history"],
            &["append"],
            &["chunks"],
            &["source"],
        ],
    },
    Room {
        path: "store/database",
        parts: &[
            &["checkpoint"],
            &["writer"],
            &["transactions"],
            &["log_growth", "log_sync"],
            &["connections", "insert", "text_match"],
            &["columns", "error"],
            &["mod"],
        ],
    },
    Room {
        path: "session",
        parts: &[
            &["mod"],
            &["content_start", "proxied", "receiving", "recipient_check"],
            &["authentication", "content_reply", "rights"],
            &["conversation", "data"],
            &["state"],
            &["step"],
            &["chunked", "reply_mode"],
            &["envelope"],
            &["content"],
            &["connection", "context", "header_scan"],
            &["alarm", "counters", "minimum_rate", "stream"],
        ],
    },
    Room {
        path: "path",
        parts: &[
            &["mod"],
            &["answering"],
            &["cut_through", "fast", "standard"],
            &["context", "per_recipient", "single_reply"],
            &["disposition", "plan", "reception", "reply"],
            &["fingerprints", "flight"],
            &[
                "client_presence",
                "gate",
                "outbound",
                "recipient_group",
                "verdict",
            ],
            &["received"],
        ],
    },
    Room {
        path: "path/cut_through",
        parts: &[
            &["mod"],
            &["transaction"],
            &["downstream", "replies", "start"],
            &["strangers"],
        ],
    },
    Room {
        path: "queue",
        parts: &[
            &["clock", "dsn", "lost", "runner"],
            &["actions", "attempt", "dsn_text"],
            &["handed_over", "schedule"],
            &["mod"],
            &["leases", "places"],
            &["action"],
        ],
    },
    Room {
        path: "message",
        parts: &[
            &[
                "backlog",
                "body",
                "legible",
                "queue_filter",
                "queue_listing",
                "received",
                "trail",
                "trail_listing",
            ],
            &["budget", "envelope", "mod", "search_text", "spool", "words"],
            &["checksum", "date", "id"],
        ],
    },
    Room {
        path: "smtp",
        parts: &[
            &["mod"],
            &["authentication", "next_hop_replies", "our_replies"],
            &[
                "capabilities",
                "command_writer",
                "dot_stuffing",
                "end_of_data",
                "line",
                "proxy_protocol",
                "reply_reader",
            ],
            &["protocol", "xclient"],
            &["command"],
            &["address", "reply", "xtext"],
            &["domain", "path_lexer"],
        ],
    },
];

/// A name that may stand only in these places; a place is a path below `src/`, or the front of one.
struct Absence {
    name: &'static str,
    but_in: &'static [&'static str],
}

const ABSENCES: &[Absence] = &[
    Absence {
        name: "sqlx",
        but_in: &["store/"],
    },
    Absence {
        name: "axum",
        but_in: &["web/"],
    },
    Absence {
        name: "askama",
        but_in: &["web/"],
    },
    Absence {
        name: "pgp",
        but_in: &["openpgp/"],
    },
    Absence {
        name: "TcpStream",
        but_in: SOCKETS,
    },
    Absence {
        name: "TcpListener",
        but_in: SOCKETS,
    },
    Absence {
        name: "TcpSocket",
        but_in: SOCKETS,
    },
    Absence {
        name: "UdpSocket",
        but_in: SOCKETS,
    },
    Absence {
        name: "UnixStream",
        but_in: SOCKETS,
    },
    Absence {
        name: "UnixListener",
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
];

/// Rooms that never wait and do not know what time it is.
const PURE: &[&str] = &[
    "smtp/",
    "path/verdict",
    "queue/schedule",
    "conditions/decision",
];
const IMPURITIES: &[&str] = &["async", "await", "tokio"];
const CLOCKS: &[&str] = &["Instant", "SystemTime", "Timestamp", "Zoned"];

/// One source file of the program.
struct Source {
    /// Below `src/`.
    file: String,
    /// The module's path from the root; the root itself for `main.rs`.
    module: Vec<String>,
    /// Its modules that stand in files of their own.
    children: BTreeSet<String>,
    code: Code,
}

/// What a file names.
#[derive(Default)]
struct Code {
    /// Paths as they are written, those of `use` trees one by one.
    paths: Vec<Vec<String>>,
    /// What `use` brings into scope: the name, the path, and whether others may use it from here.
    imports: Vec<(String, Vec<String>, bool)>,
    /// Every identifier and keyword that matters here.
    names: BTreeSet<String>,
}

impl Source {
    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.file.starts_with(place))
    }

    /// The absolute path of one that is written here; none of one that leaves the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut from = self.module.clone();
        match first.as_str() {
            "crate" | "fastpath" => from.clear(),
            "self" => {}
            "super" => {
                from.pop();
                let ups = rest.iter().take_while(|name| *name == "super").count();
                from.truncate(from.len().saturating_sub(ups));
                from.extend_from_slice(&rest[ups..]);
                return Some(from);
            }
            child if self.children.contains(child) && !rest.is_empty() => {
                from.push(child.to_owned());
            }
            _ => return None,
        }
        from.extend_from_slice(rest);
        Some(from)
    }

    /// What it names of the crate, its own re-exports left out.
    fn targets(&self) -> impl Iterator<Item = Vec<String>> {
        let imports = self.code.imports.iter();
        let imports = imports.filter(|(_, _, is_public)| !is_public);
        let imports = imports.map(|(_, path, _)| path);
        let paths = imports.chain(&self.code.paths);
        paths.filter_map(|path| self.absolute(path))
    }
}

impl Code {
    fn of(items: &[Item]) -> Self {
        let mut code = Self::default();
        for item in items {
            code.visit_item(item);
        }
        code
    }

    fn push_tree(&mut self, tree: &UseTree, before: &[String], is_public: bool) {
        let with = |name: String| {
            let mut path = before.to_vec();
            path.push(name);
            path
        };
        match tree {
            UseTree::Path(part) => {
                self.names.insert(part.ident.to_string());
                self.push_tree(&part.tree, &with(part.ident.to_string()), is_public);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.push_tree(tree, before, is_public);
                }
            }
            UseTree::Name(name) if name.ident == "self" => {
                let known_as = before.last().cloned().unwrap_or_default();
                self.imports.push((known_as, before.to_vec(), is_public));
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.names.insert(name.clone());
                self.imports.push((name.clone(), with(name), is_public));
            }
            UseTree::Rename(name) => {
                let path = with(name.ident.to_string());
                self.names.insert(name.ident.to_string());
                self.imports
                    .push((name.rename.to_string(), path, is_public));
            }
            UseTree::Glob(_) => self
                .imports
                .push(("*".to_owned(), before.to_vec(), is_public)),
        }
    }

    /// What stands in a macro's call, which has no syntax of its own: words joined by `::` are paths.
    fn push_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut is_joined = false;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if !is_joined {
                        self.end_path(&mut path);
                    }
                    self.names.insert(word.to_string());
                    path.push(word.to_string());
                    is_joined = false;
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => is_joined = true,
                TokenTree::Group(group) => {
                    self.end_path(&mut path);
                    self.push_tokens(group.stream());
                }
                _ => self.end_path(&mut path),
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.paths.push(path);
        }
    }
}

impl Visit<'_> for Code {
    fn visit_item(&mut self, item: &Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Fn(function) => &function.attrs,
            syn::ImplItem::Const(constant) => &constant.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &syn::Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &syn::FieldValue) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.push_tree(&item.tree, &[], is_public);
    }

    /// `pub(in crate::store)` uses nothing.
    fn visit_visibility(&mut self, _visibility: &Visibility) {}

    fn visit_path(&mut self, path: &syn::Path) {
        let segments = path.segments.iter();
        self.paths
            .push(segments.map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_ident(&mut self, ident: &syn::Ident) {
        self.names.insert(ident.to_string());
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        self.visit_path(&call.path);
        self.push_tokens(call.tokens.clone());
    }

    fn visit_signature(&mut self, signature: &syn::Signature) {
        if signature.asyncness.is_some() {
            self.names.insert("async".to_owned());
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &syn::ExprAsync) {
        self.names.insert("async".to_owned());
        visit::visit_expr_async(self, block);
    }

    fn visit_expr_await(&mut self, wait: &syn::ExprAwait) {
        self.names.insert("await".to_owned());
        visit::visit_expr_await(self, wait);
    }

    fn visit_attribute(&mut self, attribute: &Attribute) {
        self.visit_path(attribute.path());
        if let syn::Meta::List(list) = &attribute.meta {
            self.push_tokens(list.tokens.clone());
        }
    }
}

/// The program's files, found as the compiler finds them.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let root = source_directory();
    let mut sources = Vec::new();
    for (file, module) in [("lib.rs", None), ("main.rs", Some("main"))] {
        let module = module.map(str::to_owned).into_iter().collect();
        read(&root.join(file), module, &root, &mut sources);
    }
    sources
});

fn source_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Reads a file and the modules below it. Those of `a/mod.rs`, `lib.rs` and `main.rs` stand beside it, those of
/// `a.rs` in `a/`.
fn read(file: &Path, module: Vec<String>, root: &Path, sources: &mut Vec<Source>) {
    let text = fs::read_to_string(file).unwrap();
    let parsed =
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let stem = file.file_stem().unwrap_or_default();
    let below = match stem.to_str() {
        Some("mod" | "lib" | "main") => file.with_file_name(""),
        _ => file.with_extension(""),
    };
    let mut children = BTreeSet::new();
    for item in &parsed.items {
        let Item::Mod(child) = item else { continue };
        if child.content.is_some() || is_for_tests(&child.attrs) {
            continue;
        }
        let name = child.ident.to_string();
        let beside = below.join(format!("{name}.rs"));
        let file = match beside.is_file() {
            true => beside,
            false => below.join(&name).join("mod.rs"),
        };
        let mut path = module.clone();
        path.push(name.clone());
        read(&file, path, root, sources);
        children.insert(name);
    }
    let file = file.strip_prefix(root).unwrap().to_string_lossy();
    sources.push(Source {
        file: file.into_owned(),
        module,
        children,
        code: Code::of(&parsed.items),
    });
}

/// The floor of each name, the lowest number on top.
fn floors(lines: &[&'static [&'static str]]) -> BTreeMap<&'static str, usize> {
    let lines = lines.iter().enumerate();
    lines
        .flat_map(|(floor, names)| names.iter().map(move |name| (*name, floor)))
        .collect()
}

#[test]
fn arrows_point_down() {
    let floors = floors(LAYERS);
    let mut upwards = Vec::new();
    for source in &*SOURCES {
        let Some(own) = source.module.first() else {
            continue;
        };
        let floor = *floors.get(own.as_str()).unwrap_or_else(|| {
            panic!("{} belongs to no layer: give it one in LAYERS", source.file)
        });
        for target in source.targets() {
            let Some(name) = target.first() else { continue };
            if floors
                .get(name.as_str())
                .is_some_and(|other| *other < floor)
            {
                upwards.push(format!(
                    "src/{} uses {name}, which stands above it",
                    source.file
                ));
            }
        }
    }
    upwards.dedup();
    assert!(upwards.is_empty(), "\n{}", upwards.join("\n"));
}

#[test]
fn arrows_point_down_inside_the_rooms() {
    let upwards: Vec<String> = ROOMS
        .iter()
        .flat_map(|room| upwards(room, &SOURCES))
        .collect();
    assert!(upwards.is_empty(), "\n{}", upwards.join("\n"));
}

/// The arrows of a room that do not point down.
fn upwards(room: &Room, sources: &[Source]) -> BTreeSet<String> {
    let floors = floors(room.parts);
    let path: Vec<&str> = room.path.split('/').collect();
    let inside = |source: &&Source| {
        source.module.iter().zip(&path).all(|(a, b)| a == b) && source.module.len() >= path.len()
    };
    let own_file = sources
        .iter()
        .find(|source| source.module == path)
        .unwrap_or_else(|| panic!("there is no room {}", room.path));
    // What the room's own file has in scope is found where it is declared.
    let mut declared = BTreeMap::new();
    for (name, path, _) in &own_file.code.imports {
        declared.insert(name.as_str(), own_file.absolute(path));
    }
    let part_of = |target: &[String]| -> Option<String> {
        if !target.iter().zip(&path).all(|(a, b)| a == b) || target.len() < path.len() {
            return None;
        }
        let Some(name) = target.get(path.len()) else {
            return Some(OWN_FILE.to_owned());
        };
        if own_file.children.contains(name) {
            return Some(name.clone());
        }
        match declared.get(name.as_str()) {
            Some(Some(there)) if there.starts_with(&own_file.module) => there
                .get(path.len())
                .filter(|part| own_file.children.contains(*part))
                .cloned()
                .or(Some(OWN_FILE.to_owned())),
            // It only passes through.
            Some(_) => None,
            None => Some(OWN_FILE.to_owned()),
        }
    };
    let mut upwards = BTreeSet::new();
    for source in sources.iter().filter(inside) {
        let own = source
            .module
            .get(path.len())
            .map_or(OWN_FILE, String::as_str);
        let Some(floor) = floors.get(own) else {
            upwards.insert(format!(
                "{} has no place in the room {}",
                source.file, room.path
            ));
            continue;
        };
        for target in source.targets() {
            let Some(part) = part_of(&target).filter(|part| part != own) else {
                continue;
            };
            if floors
                .get(part.as_str())
                .is_some_and(|other| other <= floor)
            {
                let target = target.join("::");
                upwards.insert(format!(
                    "src/{} uses {target}: {own} stands below or beside {part}",
                    source.file
                ));
            }
        }
    }
    upwards
}

#[test]
fn what_must_be_absent_is_absent() {
    let mut found = Vec::new();
    for source in &*SOURCES {
        for absence in ABSENCES
            .iter()
            .filter(|absence| !source.is_in(absence.but_in))
        {
            if source.code.names.contains(absence.name) {
                found.push(format!("src/{}: {}", source.file, absence.name));
            }
        }
        if !source.is_in(PURE) {
            continue;
        }
        for impurity in IMPURITIES
            .iter()
            .filter(|name| source.code.names.contains(**name))
        {
            found.push(format!("src/{}: not pure: {impurity}", source.file));
        }
        for path in &source.code.paths {
            if let [.., clock, now] = path.as_slice()
                && now == "now"
                && CLOCKS.contains(&clock.as_str())
            {
                found.push(format!("src/{}: not pure: {clock}::now", source.file));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_reader_of_sources_sees_what_counts() {
    let text = "use crate::{smtp, message::{Body, store as shop}};\n// sqlx\n\
                fn f() { crate::path::go(); info!(x = super::leases::y(), \"sqlx\"); part::z() }\n\
                #[cfg(test)]\nmod tests {\n    use crate::web;\n}\n#[cfg(test)]\nuse sqlx;\n\
                impl A { #[cfg(any(test, fuzzing))] fn g() { crate::web::h() } }\n\
                #[cfg(not(test))]\npub use part::Z;\n";
    let parsed = syn::parse_file(text).unwrap();
    let source = Source {
        file: "queue/runner.rs".to_owned(),
        module: vec!["queue".to_owned(), "runner".to_owned()],
        children: BTreeSet::from(["part".to_owned()]),
        code: Code::of(&parsed.items),
    };
    let targets: Vec<String> = source.targets().map(|target| target.join("::")).collect();
    assert_eq!(
        targets,
        [
            "smtp",
            "message::Body",
            "message::store",
            "path::go",
            "queue::leases::y",
            "queue::runner::part::z"
        ]
    );
    assert!(!source.code.names.contains("sqlx"));
    assert!(source.code.names.contains("info"));
    assert!(source.is_in(&["queue/runner"]) && !source.is_in(&["queue/schedule"]));
}
