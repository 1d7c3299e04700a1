//! The embedded store.

use super::finding::Finding;
use crate::store::inspection::FolderInspection;
use crate::telemetry::causes::causes;

/// What to say about a folder.
pub fn findings(looked: &FolderInspection) -> Vec<Finding> {
    vec![folder(looked), data(looked)]
}

fn folder(looked: &FolderInspection) -> Finding {
    let folder = looked.folder.display();
    if !looked.is_writable {
        return Finding::problem("store", format!("{folder} cannot be written by this user"))
            .advise("give this user the folder and the files in it, or choose another folder with --store");
    }
    if looked.is_in_use {
        return Finding::warning("store", format!("{folder} is in use by another process")).advise(
            "nothing to mend if that is the server; a second one cannot start on the folder while it runs",
        );
    }
    match looked.is_there {
        true => Finding::ok("store", format!("{folder} can be written")),
        false => Finding::ok("store", format!("{folder} is not there yet; a start makes it")),
    }
}

fn data(looked: &FolderInspection) -> Finding {
    let known = looked.version_known;
    match &looked.version {
        Ok(None) => Finding::ok("data", "none yet; a start makes the tables"),
        Ok(Some(version)) if *version == known => Finding::ok("data", format!("version {version}")),
        Ok(Some(version)) if *version < known => Finding::warning(
            "data",
            format!("version {version}, which the next start brings up to {known}"),
        )
        .advise("copy the folder before: there is no way back to an older Colloquy"),
        Ok(Some(version)) => Finding::problem(
            "data",
            format!("version {version}, and this program knows those up to {known}"),
        )
        .advise("use the Colloquy that wrote it, or a later one"),
        Err(error) => Finding::problem("data", causes(error).to_string())
            .advise("put a copy of the folder in its place, or choose another folder with --store"),
    }
}
