//! Chooses the web files that the binary embeds: the bundle if it was built, else a page that says how to.

use std::path::Path;

fn main() {
    let bundle = Path::new("web/dist");
    let folder = if bundle.join("console.html").exists() {
        bundle
    } else {
        Path::new("src/http/placeholder")
    };
    println!("cargo::rustc-env=COLLOQUY_WEB_FOLDER={}", folder.display());
    println!("cargo::rerun-if-changed=web/dist");
}
