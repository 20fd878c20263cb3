//! What ARCHITECTURE.md and the layout promise, held against the files.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use mesh_tests::{
    binaries::root,
    mesh::{SERVICES, project_file},
};

/// Every file below `directory` with one of these extensions.
fn files(directory: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for entry in
            fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| extensions.iter().any(|wanted| ext == *wanted)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every folder of `services/` is a service.
fn services() -> Vec<String> {
    let folders = fs::read_dir(root().join("services")).unwrap();
    let names: Vec<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(SERVICES.iter().all(|service| names.iter().any(|name| name == service)), "{names:?}");
    names
}

fn rust_files() -> Vec<PathBuf> {
    ["proto", "chassis", "services", "query-gateway", "cli", "tests"]
        .iter()
        .flat_map(|dir| files(dir, &["rs"]))
        .collect()
}

fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The words of a text in lower case; `OrderLine` and `order_line` are both `order`, `line`.
fn words(text: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::new();
    let mut before = ' ';
    for c in text.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            spaced.push(' ');
        }
        spaced.push(c);
        before = c;
    }
    spaced.split(|c: char| !c.is_ascii_alphabetic()).map(str::to_lowercase).collect::<Vec<_>>().into_iter()
}

#[test]
fn chassis_and_gateway_know_no_service() {
    let shop: BTreeSet<&str> = [
        "shop",
        "customer",
        "customers",
        "product",
        "products",
        "inventory",
        "payment",
        "payments",
        "shipping",
        "shipment",
        "shipments",
        "insights",
        "orders",
        "sku",
    ]
    .into();
    for path in
        files("chassis", &["rs", "toml", "sql"]).into_iter().chain(files("query-gateway", &["rs", "toml"]))
    {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let known = words(line).find(|word| shop.contains(word.as_str()));
            assert_eq!(known, None, "{}:{}: {line}", short(&path), number + 1);
        }
    }
}

#[test]
fn dependencies_go_in_one_direction() {
    for package in ["tributary-chassis", "query-gateway", "tributary-cli"] {
        let tree = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--locked",
                "--offline",
                "--edges",
                "normal,build",
                "--prefix",
                "none",
                "--package",
                package,
            ])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let tree = String::from_utf8(tree.stdout).unwrap();
        assert!(tree.contains("tributary-proto"), "{package}: {tree}");
        for service in services().iter().map(String::as_str).chain(["shop-proto"]) {
            let is_it = |line: &str| line.split(' ').next() == Some(service);
            assert!(!tree.lines().any(is_it), "{package} depends on {service}");
        }
    }
}

#[test]
fn services_have_the_same_files() {
    let names = |service: &str| -> BTreeSet<String> {
        let all = files(&format!("services/{service}/src"), &["rs"]);
        let top = root().join(format!("services/{service}/src"));
        let concept = |path: &PathBuf| {
            path.strip_prefix(&top).unwrap().iter().next().unwrap().to_string_lossy().replace(".rs", "")
        };
        all.iter().map(concept).collect()
    };
    let expected = ["config", "domain", "error", "grpc", "lib", "main", "store"].map(str::to_owned);
    for service in services() {
        for file in &expected {
            assert!(names(&service).contains(file), "{service} has no {file}");
        }
    }
}

/// Whether a text names a path of this crate; `open_sled::<..>` is not one.
fn uses(text: &str, library: &str) -> bool {
    text.match_indices(&format!("{library}::"))
        .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn domains_are_pure() {
    for service in services() {
        for path in files(&format!("services/{service}/src"), &["rs"]) {
            if !short(&path).contains("/domain") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for library in ["tonic", "sqlx", "sled", "tokio"] {
                assert!(!uses(&text, library), "{} uses {library}", short(&path));
            }
        }
    }
}

/// The payment processor is another company, and its books are that company's database: one file keeps
/// them, and one reads them as its auditor. They are no second store of the service.
const ANOTHER_COMPANY: [&str; 2] =
    ["services/payments/src/processor/ledger/database.rs", "services/payments/tests/api/ledger.rs"];

/// Writes a store as the version before has left it.
const FORMER_VERSION: &str = "services/orders/tests/saga/migration.rs";

#[test]
fn only_stores_know_their_database() {
    let mut others = BTreeSet::new();
    for path in files("services", &["rs"]) {
        let text = fs::read_to_string(&path).unwrap();
        if ["sqlx", "sled"].iter().any(|library| uses(&text, library)) && !short(&path).contains("/store") {
            others.insert(short(&path));
        }
    }
    // Exactly these: an exception that is not needed any more goes.
    let allowed = ANOTHER_COMPANY.into_iter().chain([FORMER_VERSION]);
    assert_eq!(others, allowed.map(str::to_owned).collect());
    let ledger = fs::read_to_string(root().join(ANOTHER_COMPANY[0])).unwrap();
    assert!(!ledger.contains("store.db"), "the ledger looks into the service's store");
}

/// By `Server::publish`, which knows at which port the feed is to be served.
#[test]
fn services_publish_in_one_way() {
    for file in files("services", &["rs"]).into_iter().filter(|file| short(file).contains("/src/")) {
        let text = fs::read_to_string(&file).unwrap();
        for other in ["feed::server", "ChangeFeedServer", "ChangeFeed::new"] {
            assert!(!text.contains(other), "{} serves its feed by {other}", short(&file));
        }
    }
    for service in services() {
        let publishes = files(&format!("services/{service}/src"), &["rs"])
            .iter()
            .any(|file| fs::read_to_string(file).unwrap().contains(".publish("));
        assert!(publishes, "{service} does not publish");
    }
}

#[test]
fn files_stay_readable() {
    for path in rust_files() {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines <= 500, "{}: {lines} lines", short(&path));
        assert!(path.file_name().is_some_and(|name| name != "mod.rs"), "{}", short(&path));
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !["util", "utils", "common", "helper", "helpers", "misc"].contains(&name.as_str()),
            "{}",
            short(&path)
        );
        let first = text.lines().next().unwrap_or_default();
        let tests = short(&path).contains("tests");
        assert!(tests || first.starts_with("//!"), "{} does not say what it is", short(&path));
        if name == "main" && !tests {
            assert!(lines <= 12, "{}: a main is one sentence, not {lines} lines", short(&path));
        }
    }
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together here, so that this file does not contain them.
    let marks =
        [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["#[ig", "nore"], ["unimple", "mented!"], ["to", "do!("]];
    for path in rust_files() {
        let text = fs::read_to_string(&path).unwrap();
        for mark in marks.map(|parts| parts.concat()) {
            assert!(!text.contains(&mark), "{} contains {mark}", short(&path));
        }
    }
}

/// Each bold invariant of ARCHITECTURE.md names its tests in backquotes; each must be a function that exists.
#[test]
fn every_invariant_names_a_test_that_exists() {
    let sources: String = rust_files().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let document = project_file("ARCHITECTURE.md");
    let invariants: Vec<&str> = document.lines().filter(|line| line.starts_with("| **")).collect();
    assert!(invariants.len() >= 9, "nine invariants, found {}", invariants.len());
    for invariant in invariants {
        let tests: Vec<&str> =
            invariant.rsplit('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {invariant}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "{test} does not exist: {invariant}");
        }
    }
}

/// So does each promise about manifests; one is also held by `make check`.
#[test]
fn every_promise_of_the_manifests_names_a_test_that_exists() {
    let sources: String = rust_files().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let document = project_file("docs/kubernetes.md");
    let (_, table) = document.split_once("| Promise | Held by |").unwrap();
    let promises: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(promises.len() >= 8, "{promises:?}");
    for promise in promises {
        let named = promise.rsplit('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2);
        let is_test = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let tests: Vec<&str> = named.filter(is_test).collect();
        assert!(!tests.is_empty(), "no test: {promise}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "{test} does not exist: {promise}");
        }
    }
}
