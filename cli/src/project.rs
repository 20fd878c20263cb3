//! Where things are that the mesh is made of: programs beside this one, views and protos in the project.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use crate::mesh::VIEWS;

/// The directory of this program itself, not of a link to it: the servers are built beside it.
pub(crate) fn program_directory() -> io::Result<PathBuf> {
    let program = env::current_exe()?.canonicalize()?;
    program.parent().map(Path::to_owned).ok_or_else(|| io::Error::other("this program has no directory"))
}

/// The root of the project: the nearest directory above the current directory, else above this program, that
/// has the views. Programs of several checkouts may lie in one directory (`CARGO_TARGET_DIR`).
pub(crate) fn root() -> Option<PathBuf> {
    [env::current_dir(), program_directory()].into_iter().flatten().find_map(|start| above(&start))
}

fn above(start: &Path) -> Option<PathBuf> {
    start.ancestors().find(|directory| directory.join(VIEWS).is_dir()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_nearest_with_views() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("target/debug");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(above(&deep), None);
        std::fs::create_dir_all(directory.path().join(VIEWS)).unwrap();
        assert_eq!(above(&deep).as_deref(), Some(directory.path()));
    }
}
