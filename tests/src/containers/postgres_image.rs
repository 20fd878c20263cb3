//! PostgreSQL as an image, made of the files of the one that is installed here: what a container of the manifests needs of the
//! official image, at the places where that has them. Nothing is fetched.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::Engine;

/// The programs that manifests and tests run.
const SERVER: [&str; 5] = ["postgres", "initdb", "pg_ctl", "pg_isready", "psql"];
/// And what they call themselves.
const SYSTEM: [&str; 8] = ["sh", "chmod", "dirname", "mv", "rm", "sync", "test", "sleep"];
/// As in the official image.
const USERS: &str = "root:x:0:0::/:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n";
/// Compiles expressions, which is left undone without it; larger than all the rest.
const COMPILER: [&str; 2] = ["llvmjit", "/bitcode/"];

/// Builds the image `name` of the installation whose programs are in `programs`.
pub(super) fn build(engine: &Engine, programs: &Path, name: &str) {
    let programs = fs::canonicalize(programs.join("postgres")).expect("PostgreSQL is installed");
    let programs = programs.parent().expect("a directory");
    let context = tempfile::tempdir().expect("a temporary directory");
    let root = context.path().join("files");
    for file in files(programs) {
        let copy = root.join(file.strip_prefix("/").expect("an absolute path"));
        fs::create_dir_all(copy.parent().expect("a parent")).expect("a directory");
        // What is a link here is a file there.
        fs::copy(&file, &copy).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    for directory in ["etc", "tmp", "run", "var/lib/postgresql"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    fs::write(root.join("etc/passwd"), USERS).expect("a file");
    // What the official image says of itself.
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let recipe = format!("FROM scratch\nCOPY files /\nENV PATH={path}\nSTOPSIGNAL SIGINT\n");
    fs::write(context.path().join("Dockerfile"), recipe).expect("a file");
    engine.build(context.path(), name);
}

/// Everything that the image has, by its place here.
fn files(programs: &Path) -> BTreeSet<PathBuf> {
    let server = SERVER.map(|program| programs.join(program));
    let system = SYSTEM.map(|program| PathBuf::from("/bin").join(program));
    let mut files: BTreeSet<_> = server.into_iter().chain(system).collect();
    let libraries: BTreeSet<_> = files.iter().flat_map(|program| libraries(program)).collect();
    files.extend(libraries);
    for directory in ["--pkglibdir", "--sharedir"] {
        below(&configured(programs, directory), &mut files);
    }
    below(Path::new("/usr/lib/locale/C.utf8"), &mut files);
    files.insert(PathBuf::from("/usr/share/zoneinfo/UTC"));
    files.retain(|file| COMPILER.iter().all(|part| !file.display().to_string().contains(part)));
    files
}

/// What a program is linked with.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    words.map(PathBuf::from).collect()
}

fn configured(programs: &Path, which: &str) -> PathBuf {
    let output = Command::new(programs.join("pg_config")).arg(which).output().expect("pg_config");
    PathBuf::from(String::from_utf8(output.stdout).expect("UTF-8").trim())
}

/// Every file below a directory, if there is one.
fn below(directory: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            below(&path, files);
        } else {
            files.insert(path);
        }
    }
}
