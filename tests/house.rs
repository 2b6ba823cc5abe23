//! The house is measured: long functions, long files, and type names that mean two things.
//!
//! The production code of the library and the binary is read with `syn`, from `lib.rs` and `main.rs` along their
//! module declarations. Whatever is compiled for tests or fuzzing only does not count. `scripts/house.sh` runs
//! this with its figures shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, Meta};

use crate::support::source_items::{attributes, is_for_tests};

/// Lines of a function, from its `fn` to its closing brace.
const FUNCTION_LINES: usize = 70;
/// Lines of a file, its tests aside.
const FILE_LINES: usize = 450;

/// Share of the type declarations, in thousandths, that may share their name with another one.
const SHARED_NAMES_PER_MILLE: usize = 20;

/// What is counted in the production code.
#[derive(Default)]
struct House {
    lines: usize,
    types: BTreeMap<String, Vec<String>>,
    long_functions: Vec<String>,
    long_files: Vec<String>,
    functions: usize,
    files: usize,
}

impl House {
    fn measure() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut house = Self::default();
        for root in ["lib.rs", "main.rs"] {
            house.read(&source.join(root), &source);
        }
        house
    }

    /// Reads a file and the files of the modules that it declares, whose directory is `children`.
    fn read(&mut self, path: &Path, children: &Path) {
        let text = fs::read_to_string(path).unwrap();
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut reader = Reader {
            house: self,
            shown_path: path.strip_prefix(root).unwrap().display().to_string(),
            test_lines: 0,
            modules: Vec::new(),
        };
        reader.visit_file(&file);
        let lines = text.lines().count() - reader.test_lines;
        let modules = reader.modules;
        let shown_path = reader.shown_path;
        self.lines += lines;
        self.files += 1;
        if lines > FILE_LINES {
            self.long_files.push(format!("{shown_path}: {lines} lines"));
        }
        for (name, named_path) in modules {
            let (file, below) = locate(path, children, &name, named_path);
            self.read(&file, &below);
        }
    }

    fn declarations(&self) -> usize {
        self.types.values().map(Vec::len).sum()
    }

    /// The names that several types have, those of most types first.
    fn shared_names(&self) -> Vec<(&String, &Vec<String>)> {
        let mut shared: Vec<_> = self
            .types
            .iter()
            .filter(|(_, places)| places.len() > 1)
            .collect();
        shared.sort_by_key(|(_, places)| std::cmp::Reverse(places.len()));
        shared
    }

    fn shared_per_mille(&self) -> usize {
        let shared: usize = self
            .shared_names()
            .iter()
            .map(|(_, places)| places.len())
            .sum();
        shared * 1_000 / self.declarations()
    }

    fn figures(&self) -> String {
        let mut text = format!(
            "\n{} files, {} lines of production code, {} functions, {} types\n",
            self.files,
            self.lines,
            self.functions,
            self.declarations()
        );
        let per_mille = self.shared_per_mille();
        let _ = writeln!(
            text,
            "functions over {FUNCTION_LINES} lines: {}\nfiles over {FILE_LINES} lines: {}\n\
             types that share their name: {}.{} %",
            self.long_functions.len(),
            self.long_files.len(),
            per_mille / 10,
            per_mille % 10
        );
        for line in self.long_functions.iter().chain(&self.long_files) {
            let _ = writeln!(text, "  {line}");
        }
        for (name, places) in self.shared_names() {
            let _ = writeln!(text, "  {name} ×{}: {}", places.len(), places.join(", "));
        }
        text
    }
}

/// Where a declared module is, and where its own modules are.
fn locate(
    declared_in: &Path,
    children: &Path,
    name: &str,
    named_path: Option<String>,
) -> (PathBuf, PathBuf) {
    let below = children.join(name);
    if let Some(named_path) = named_path {
        return (declared_in.with_file_name(named_path), below);
    }
    let flat = children.join(format!("{name}.rs"));
    match flat.exists() {
        true => (flat, below),
        false => (below.join("mod.rs"), below),
    }
}

/// Reads one file.
struct Reader<'a> {
    house: &'a mut House,
    shown_path: String,
    test_lines: usize,
    modules: Vec<(String, Option<String>)>,
}

impl Reader<'_> {
    fn declared(&mut self, name: &syn::Ident) {
        let place = format!("{}:{}", self.shown_path, name.span().start().line);
        let places = self.house.types.entry(name.to_string()).or_default();
        places.push(place);
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        self.house.functions += 1;
        let first = signature.span().start().line;
        let lines = block.span().end().line - first + 1;
        if lines > FUNCTION_LINES {
            let name = &signature.ident;
            let line = format!("{}:{first} {name}: {lines} lines", self.shown_path);
            self.house.long_functions.push(line);
        }
    }

    /// Whether something is compiled for tests only, whose lines then do not count.
    fn skips(&mut self, attributes: &[Attribute], item: &impl Spanned) -> bool {
        let skips = is_for_tests(attributes);
        if skips {
            let span = item.span();
            self.test_lines += span.end().line - span.start().line + 1;
        }
        skips
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if self.skips(attributes(item), item) {
            return;
        }
        match item {
            Item::Struct(item) => self.declared(&item.ident),
            Item::Enum(item) => self.declared(&item.ident),
            Item::Trait(item) => self.declared(&item.ident),
            Item::Union(item) => self.declared(&item.ident),
            Item::Type(item) => self.declared(&item.ident),
            Item::Fn(item) => self.function(&item.sig, &item.block),
            Item::Mod(ItemMod {
                ident,
                content: None,
                attrs,
                ..
            }) => self.modules.push((ident.to_string(), named_path(attrs))),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if let ImplItem::Fn(function) = item {
            if self.skips(&function.attrs, item) {
                return;
            }
            self.function(&function.sig, &function.block);
        }
        visit::visit_impl_item(self, item);
    }
}

fn named_path(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(path),
                    ..
                }) => Some(path.value()),
                _ => None,
            },
            _ => None,
        })
}

#[test]
fn house_is_in_order() {
    let house = House::measure();
    let figures = house.figures();
    println!("{figures}");
    assert!(house.files > 100 && house.declarations() > 500, "{figures}");
    assert!(house.long_functions.is_empty(), "{figures}");
    assert!(house.long_files.is_empty(), "{figures}");
    assert!(
        house.shared_per_mille() <= SHARED_NAMES_PER_MILLE,
        "{figures}"
    );
}
