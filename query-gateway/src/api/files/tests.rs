use std::fs;

use tempfile::TempDir;

use super::*;
use crate::api::Api;

const HEAD: &str = "syntax = \"proto3\"; package library.v1; import \"tributary/options/v1/options.proto\";";

/// Writes `path` below a fresh folder and loads it, as `--api` does.
fn load(path: &str, text: &str) -> Result<Api, ApiError> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, text).unwrap();
    Api::load(&[file], None)
}

fn refusal(text: &str) -> String {
    load("library/v1/desk.proto", text).map(|_| ()).unwrap_err().to_string()
}

fn desk(method: &str) -> String {
    format!(
        "{HEAD} message Q {{ string title = 1; Who who = 2; }} message Who {{ string name = 1; }} message A {{ int64 n = 1; }} service Desk {{ {method} }}"
    )
}

#[test]
fn the_root_of_imports_follows_from_the_package() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("library/v1");
    fs::create_dir_all(&root).unwrap();
    fs::write(
        root.join("kinds.proto"),
        "syntax = \"proto3\"; package library.v1; message Q {} message A { int64 n = 1; }",
    )
    .unwrap();
    let text = format!(
        "{HEAD} import \"library/v1/kinds.proto\"; service Desk {{ rpc Count(Q) returns (A) {{ option (tributary.options.v1.sql) = \"SELECT count(*) AS n FROM books\"; }} }}"
    );
    fs::write(root.join("desk.proto"), text).unwrap();
    let api = Api::load(&[root.join("desk.proto")], None).unwrap();
    let names: Vec<_> = api.methods().iter().map(|method| method.name()).collect();
    assert_eq!(names, ["library.v1.Desk/Count"]);
    let pool = DescriptorPool::decode(api.descriptors()).unwrap();
    for file in ["library/v1/desk.proto", "library/v1/kinds.proto", options::PROTO_PATH] {
        assert!(pool.get_file_by_name(file).is_some(), "{file} is not listed");
    }
}

/// As a cluster mounts it: files lie in a folder of their own, `..data` leads there, and what is seen leads through it.
#[cfg(unix)]
#[test]
fn a_file_that_is_mounted_is_imported_by_the_name_that_is_seen() {
    let folder = TempDir::new().unwrap();
    let [seen, lies] = ["library/v1/desk.proto", "..first/library/v1"].map(|path| folder.path().join(path));
    fs::create_dir_all(&lies).unwrap();
    let sql = "option (tributary.options.v1.sql) = \"SELECT count(*) AS n FROM books\";";
    fs::write(lies.join("desk.proto"), desk(&format!("rpc Count(Q) returns (A) {{ {sql} }}"))).unwrap();
    for (to, link) in [("..first", "..data"), ("..data/library", "library")] {
        std::os::unix::fs::symlink(to, folder.path().join(link)).unwrap();
    }
    for root in [None, Some(folder.path())] {
        let api = Api::load(std::slice::from_ref(&seen), root).unwrap();
        let pool = DescriptorPool::decode(api.descriptors()).unwrap();
        assert!(pool.get_file_by_name("library/v1/desk.proto").is_some(), "{root:?}");
    }
}

#[test]
fn a_file_outside_of_its_package_is_loaded_too() {
    let text = desk(
        "rpc Count(Q) returns (A) { option (tributary.options.v1.sql) = \"SELECT count(*) AS n FROM books\"; }",
    );
    assert_eq!(load("desk.proto", &text).unwrap().methods().len(), 1);
}

#[test]
fn a_mistake_in_the_proto_names_file_and_place() {
    let text = refusal("syntax = \"proto3\";\nmessage {}");
    assert!(text.contains("desk.proto:2:9"), "{text}");
    let text = refusal(&format!("{HEAD} import \"nowhere.proto\";"));
    assert!(text.contains("nowhere.proto"), "{text}");
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    for (method, why) in [
        ("rpc Count(Q) returns (A);", "has no SQL"),
        ("rpc Count(Q) returns (A) { option (tributary.options.v1.sql) = \" \"; }", "has no SQL"),
        (
            "rpc Count(stream Q) returns (A) { option (tributary.options.v1.sql) = \"SELECT 1 AS n\"; }",
            "takes one request",
        ),
        ("rpc Count(Q) returns (A) { option (tributary.options.v1.sql) = \"SELEC 1 AS n\"; }", "SELEC"),
        (
            "rpc Count(Q) returns (A) { option (tributary.options.v1.sql) = \"SELECT count(*) AS n FROM books WHERE title = :tilte\"; }",
            "`:tilte` is no field of library.v1.Q; it has title, who",
        ),
        (
            "rpc Count(Q) returns (A) { option (tributary.options.v1.sql) = \"SELECT count(*) AS n FROM books WHERE title = :who_nam\"; }",
            "`:who_nam` is no field",
        ),
        ("rpc Count(Q) returns (A) { option (tributary.options.v1.sql) = \"DELETE FROM books\"; }", "SELECT"),
        (
            "rpc Count(Q) returns (A) { option (tributary.options.v1.sql) = \"SELECT 1 AS n; SELECT 2 AS n\"; }",
            "",
        ),
    ] {
        let text = refusal(&desk(method));
        assert!(
            text.contains("library/v1/desk.proto: method library.v1.Desk/Count") && text.contains(why),
            "{text}"
        );
    }
}

#[test]
fn a_file_without_methods_or_with_the_gateways_own_is_refused() {
    assert!(refusal(HEAD).contains("declares no method"));
    let text = "syntax = \"proto3\"; package tributary.query.v1; message Q {} service QueryGateway { rpc Query(Q) returns (Q); }";
    assert!(refusal(text).contains("the gateway serves itself"));
}

#[test]
fn the_same_file_twice_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("desk.proto");
    fs::write(&file, desk("rpc Count(Q) returns (A) { option (tributary.options.v1.sql) = \"SELECT count(*) AS n FROM books\"; }")).unwrap();
    let error = Api::load(&[file.clone(), file], None).unwrap_err().to_string();
    assert!(error.contains("give it once"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Api::load(&[PathBuf::from("/nowhere/desk.proto")], None).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/desk.proto"), "{error}");
}
