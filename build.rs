//! The migrations are compiled in: a changed one must cause a build.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
