//! Views as their users live with them: from a terminal, from files, and from typed queries that read them.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use mesh_tests::{
    binaries,
    clients::place_order,
    mesh::{Mesh, MeshOptions},
    wait,
};
use serde_json::Value;
use shop_proto::customers::v1::{CreateCustomerRequest, Customer};
use tonic::Request;

/// Runs the command line tool against a gateway.
fn tributary(gateway: &str, arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(binaries::path("tributary"))
        .args(arguments)
        .args(["--to", gateway])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const TOTALS: &str =
    "CREATE MATERIALIZED VIEW totals AS SELECT region, COUNT(*) AS customers FROM customers GROUP BY region;
    CREATE INDEX ON totals (region);";

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_created_explained_and_dropped_from_a_terminal() {
    let mesh = Mesh::start().await;
    let (clients, url) = (mesh.clients(), mesh.gateway.url());
    clients.create_customer("ada", "EUROPE").await.unwrap();
    clients.wait_caught_up().await;
    let created = tributary(&url, &["view", "create", "-", "--wait"], TOTALS);
    assert!(created.status.success() && stderr(&created).contains("totals is ready"), "{}", stderr(&created));
    let after = clients.create_customer("bob", "ASIA").await.unwrap();
    let after = mesh_tests::clients::positions(&after);
    let answer =
        clients.query_after("SELECT region, customers FROM totals ORDER BY region", &after).await.unwrap();
    assert_eq!(answer.rows, [["ASIA", "1"], ["EUROPE", "1"]]);

    let again = tributary(&url, &["view", "create", "-"], TOTALS);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("ALREADY_EXISTS"), "{}", stderr(&again));
    let replaced = tributary(&url, &["view", "create", "-", "--replace", "--wait"], TOTALS);
    assert!(replaced.status.success(), "{}", stderr(&replaced));
    let wrong = tributary(
        &url,
        &["view", "create", "-"],
        "CREATE MATERIALIZED VIEW x AS SELECT now() AS t FROM customers",
    );
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stderr(&wrong).contains("INVALID_ARGUMENT") && stderr(&wrong).contains("sql: "),
        "{}",
        stderr(&wrong)
    );

    let listed = stdout(&tributary(&url, &["view", "list", "--output", "json"], ""));
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let place = |name: &str| listed.iter().find(|view| view["name"] == name).map(|view| view["file"].clone());
    assert_eq!(place("totals"), Some(Value::from("")));
    assert_eq!(place("revenue_by_region"), Some(Value::from("revenue_by_region.sql")));
    assert!(stdout(&tributary(&url, &["view", "list"], "")).contains("materialized view"));

    let explained = stdout(&tributary(&url, &["explain", "view", "revenue_by_region"], ""));
    for part in
        ["materialized view revenue_by_region", "a change of order_lines", "INSERT INTO", "changed rows in"]
    {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let explained = stdout(&tributary(&url, &["explain", "view", "totals", "--output", "json"], ""));
    let explained: Value = serde_json::from_str(&explained).unwrap();
    assert_eq!(explained["programs"][0]["table"], "customers");
    assert!(
        explained["indexes"].as_array().unwrap().iter().any(|index| index["defined"] == true),
        "{explained}"
    );
    let unknown = tributary(&url, &["explain", "view", "total"], "");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("did you mean \"totals\""), "{}", stderr(&unknown));

    let read = tributary(&url, &["view", "drop", "revenue_by_region"], "");
    assert!(stderr(&read).contains("revenue_by_region.sql"), "{}", stderr(&read));
    stdout(&tributary(&url, &["view", "drop", "totals"], ""));
    let gone = tributary(&url, &["view", "drop", "totals"], "");
    assert!(stderr(&gone).contains("NOT_FOUND"), "{}", stderr(&gone));
    stdout(&tributary(&url, &["view", "drop", "totals", "--missing-ok"], ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_explained_by_the_commands_that_made_it() {
    let mesh = Mesh::start().await;
    let (clients, url) = (mesh.clients(), mesh.gateway.url());
    clients.create_customer("ada", "EUROPE").await.unwrap();
    clients.create_product("mug", "KITCHEN", 1_250).await.unwrap();
    clients.create_product("jar", "KITCHEN", 900).await.unwrap();
    let order = place_order("place", "o1", "ada", &[("mug", 2), ("jar", 1)]);
    clients.orders.clone().place_order(order).await.unwrap();
    clients.settled("o1").await;
    // What comes from here on comes as a change: a snapshot would tell neither event nor trace.
    clients.wait_caught_up().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (display_name, region) = ("Bob".to_owned(), "EUROPE".to_owned());
    let customer = Customer { display_name, region, ..Customer::default() };
    let mut request = Request::new(CreateCustomerRequest {
        request_id: "create-bob".to_owned(),
        customer_id: "bob".to_owned(),
        customer: Some(customer),
    });
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    request.metadata_mut().insert("traceparent", mesh_tests::clients::metadata(&parent));
    let reply = clients.customers.clone().create_customer(request).await.unwrap();
    let position = mesh_tests::clients::positions(&reply).to_string();
    let explain = |arguments: &[&str]| {
        tributary(&url, &[&["explain", "row", "--after", &position], arguments].concat(), "")
    };
    let object = |arguments: &[&str]| {
        let told = stdout(&explain(&[&["--output", "json"], arguments].concat()));
        serde_json::from_str::<Value>(&told).unwrap()
    };

    let explained = object(&["customers", "bob"]);
    let change = &explained["changes"][0];
    assert_eq!((&explained["total"], &change["position"]), (&1.into(), &position.as_str().into()));
    assert_eq!((&change["trace_id"], &change["key"]), (&trace.into(), &"bob".into()));
    assert!(!change["event"].as_str().unwrap().is_empty() && change["commit_time"].is_string(), "{change}");

    // Rows of a repeated message are of the change of the message around them.
    let explained = object(&["order_lines", "--key", "order_id=o1"]);
    let change = &explained["changes"][0];
    assert_eq!((&explained["rows"], &explained["total"]), (&2.into(), &1.into()), "{explained}");
    assert_eq!((&change["entity"], &change["key"]), (&"orders".into(), &"o1".into()), "{explained}");
    assert_eq!(change["rows"], serde_json::json!({"order_lines": 2}), "{explained}");

    let created = tributary(&url, &["view", "create", "-", "--wait"], TOTALS);
    assert!(created.status.success(), "{}", stderr(&created));
    let explained = object(&["totals", "EUROPE"]);
    assert_eq!((&explained["total"], &explained["tables"]["customers"]), (&2.into(), &2.into()));
    assert_eq!(explained["changes"][0]["position"], position.as_str(), "the newest is the first");

    // Each view of the shop can be explained, whatever it is made of.
    let listed = stdout(&tributary(&url, &["view", "list", "--output", "json"], ""));
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let views =
        listed.iter().filter(|view| matches!(view["kind"].as_str(), Some("COMPUTED" | "MATERIALIZED")));
    let names: Vec<&str> = views.map(|view| view["name"].as_str().unwrap()).collect();
    assert!(names.len() > 5, "{names:?}");
    let mut with_rows = Vec::new();
    for name in names {
        let told = explain(&[name]);
        let is_empty = stderr(&told).contains("NOT_FOUND");
        assert!(told.status.success() || is_empty, "{name}: {}", stderr(&told));
        with_rows.extend((!is_empty).then_some(name));
    }
    assert!(with_rows.contains(&"customer_overview"), "{with_rows:?}");
    let refused = explain(&["shop.insights.v1.Insights/RevenueByRegion"]);
    assert!(stderr(&refused).contains("is a typed query"), "{}", stderr(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_followed_and_typed_queries_keep_what_they_read() {
    let views = tempfile::tempdir().unwrap();
    let shop = binaries::root().join("query-gateway/views");
    for name in ["customer_overview.sql", "product_sales.sql"] {
        fs::copy(shop.join(name), views.path().join(name)).unwrap();
    }
    let mesh = MeshOptions::default().views(views.path()).start().await;
    let (clients, url) = (mesh.clients(), mesh.gateway.url());
    let after = mesh_tests::clients::positions(&clients.create_customer("ada", "EUROPE").await.unwrap());
    wait::until("the first row is there", || {
        clients.query_after("SELECT customer_id FROM customers", &after)
    })
    .await;
    // What a typed query waits for comes by a call, and cannot go while it is read.
    let text = fs::read_to_string(shop.join("revenue_by_region.sql")).unwrap();
    let created = tributary(&url, &["view", "create", "-", "--wait"], &text);
    assert!(created.status.success(), "{}", stderr(&created));
    let dropped = tributary(&url, &["view", "drop", "revenue_by_region"], "");
    assert_eq!(dropped.status.code(), Some(1));
    assert!(stderr(&dropped).contains("Insights/RevenueByRegion"), "{}", stderr(&dropped));
    let changed = "CREATE VIEW revenue_by_region AS SELECT region FROM customers";
    let replaced = tributary(&url, &["view", "create", "-", "--replace"], changed);
    assert!(stderr(&replaced).contains("Insights/RevenueByRegion"), "{}", stderr(&replaced));

    fs::write(
        views.path().join("names.sql"),
        "CREATE MATERIALIZED VIEW names AS SELECT customer_id AS id FROM customers",
    )
    .unwrap();
    let rows = async |sql: &str| {
        let answer = clients.query(sql).await.map_err(|status| status.to_string())?;
        Ok::<_, String>(answer.rows)
    };
    let names = wait::until("the file is noticed", || rows("SELECT id FROM names")).await;
    assert_eq!(names, [["ada"]]);
    fs::write(
        views.path().join("names.sql"),
        "CREATE MATERIALIZED VIEW names AS SELECT customer_id AS id, region FROM customers",
    )
    .unwrap();
    let names = wait::until("the file is noticed", || rows("SELECT id, region FROM names")).await;
    assert_eq!(names, [["ada", "EUROPE"]]);
    fs::remove_file(views.path().join("names.sql")).unwrap();
    wait::until("the view is gone", || async {
        match clients.query("SELECT id FROM names").await {
            Err(status) if status.message().contains("does not exist") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
