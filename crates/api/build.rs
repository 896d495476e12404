//! Builds again when the web application was built: a new file in its output is not a change to any Rust source.

fn main() {
    let dist = "../../ui/dist";
    let watched = if std::path::Path::new(dist).exists() { dist } else { "build.rs" };
    println!("cargo::rerun-if-changed={watched}");
}
