//! The shop as its users see it: a write is seen by the query behind it, what is deleted is gone, and an
//! answer across all services is right and says what it stands on.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use mesh_tests::{
    clients::{Clients, header, metadata, place_order, positions},
    mesh::Mesh,
};
use shop_proto::{
    catalog::v1::DeleteProductRequest,
    customers::v1::DeleteCustomerRequest,
    insights::v1::{
        CustomerOverviewRequest, CustomerRow, Revenue, RevenueByRegionRequest, TopProductsRequest,
        insights_client::InsightsClient,
    },
    orders::v1::CancelOrderRequest,
};
use tonic::{Code, Request};
use tributary_chassis::position::{AFTER, AS_OF, Position, Positions};

fn insights(mesh: &Mesh) -> InsightsClient<tonic::transport::Channel> {
    InsightsClient::new(mesh.gateway.channel())
}

fn behind<T>(message: T, after: &Positions) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(AFTER, metadata(&after.to_string()));
    request
}

/// Two customers with an order each, one without, in two currencies' worth of categories.
async fn small_shop(clients: &Clients) -> Positions {
    let mut after = Positions::default();
    for (id, region) in [("ada", "EUROPE"), ("bob", "ASIA"), ("cy", "EUROPE")] {
        after.merge_all(&positions(&clients.create_customer(id, region).await.unwrap()));
    }
    for (sku, category, cents) in [("teapot", "KITCHEN", 2500), ("saw", "TOOLS", 1999)] {
        after.merge_all(&positions(&clients.create_product(sku, category, cents).await.unwrap()));
    }
    let orders = [("o-1", "ada", vec![("teapot", 2), ("saw", 1)]), ("o-2", "bob", vec![("saw", 3)])];
    for (id, customer, lines) in &orders {
        let request = place_order(&format!("place-{id}"), id, customer, lines);
        after.merge_all(&positions(&clients.orders.clone().place_order(request).await.unwrap()));
    }
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_queries_answer_across_all_services() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    let after = small_shop(&clients).await;

    let request =
        behind(RevenueByRegionRequest { region: "EUROPE".to_owned(), category: String::new() }, &after);
    let response = insights(&mesh).revenue_by_region(request).await.unwrap();
    assert!(header(&response, AS_OF).ends_with("complete=1"), "{}", header(&response, AS_OF));
    let rows: Vec<_> = response
        .into_inner()
        .rows
        .into_iter()
        .map(|row| (row.category, row.units, row.revenue_minor))
        .collect();
    assert_eq!(rows, [("KITCHEN".to_owned(), 2, 5000), ("TOOLS".to_owned(), 1, 1999)]);

    let overview =
        insights(&mesh).customer_overview(behind(CustomerOverviewRequest::default(), &after)).await.unwrap();
    let rows = overview.into_inner().rows;
    let brief = |row: &CustomerRow| (row.customer_id.clone(), row.orders, row.last_order_time.is_some());
    let expected = [("ada".to_owned(), 1, true), ("bob".to_owned(), 1, true), ("cy".to_owned(), 0, false)];
    assert_eq!(rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(rows[0].revenue, [Revenue { currency_code: "EUR".to_owned(), revenue_minor: 6999 }]);
    assert_eq!(rows[2].revenue, []);

    let top = insights(&mesh).top_products(behind(TopProductsRequest::default(), &after)).await.unwrap();
    let rows: Vec<_> =
        top.into_inner().rows.into_iter().map(|row| (row.sku, row.units, row.revenue_minor)).collect();
    assert_eq!(rows, [("saw".to_owned(), 4, 7996), ("teapot".to_owned(), 2, 5000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_does_not_count() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    small_shop(&clients).await;
    let cancel = CancelOrderRequest { order_id: "o-2".to_owned(), ..CancelOrderRequest::default() };
    clients.orders.clone().cancel_order(cancel).await.unwrap();
    let after = positions(&clients.settled("o-2").await);
    let top = insights(&mesh).top_products(behind(TopProductsRequest::default(), &after)).await.unwrap();
    let rows: Vec<_> = top.into_inner().rows.into_iter().map(|row| (row.sku, row.units)).collect();
    assert_eq!(rows, [("teapot".to_owned(), 2), ("saw".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_gone_and_lines_keep_their_copy() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    let mut after = small_shop(&clients).await;
    let request = DeleteCustomerRequest { customer_id: "ada".to_owned(), ..DeleteCustomerRequest::default() };
    after.merge_all(&positions(&clients.customers.clone().delete_customer(request).await.unwrap()));
    let request = DeleteProductRequest { sku: "teapot".to_owned(), ..DeleteProductRequest::default() };
    after.merge_all(&positions(&clients.catalog.clone().delete_product(request).await.unwrap()));

    let rows = |sql: &'static str| {
        let (clients, after) = (clients.clone(), after.clone());
        async move { clients.query_after(sql, &after).await.unwrap().rows.concat() }
    };
    assert_eq!(rows("SELECT customer_id FROM customers ORDER BY 1").await, ["bob", "cy"]);
    assert_eq!(rows("SELECT sku FROM products ORDER BY 1").await, ["saw"]);
    let lines =
        rows("SELECT sku, display_name, category FROM order_lines WHERE order_id = 'o-1' ORDER BY ordinal")
            .await;
    assert_eq!(lines, ["teapot", "Name of teapot", "KITCHEN", "saw", "Name of saw", "TOOLS"]);
    let overview =
        insights(&mesh).customer_overview(behind(CustomerOverviewRequest::default(), &after)).await.unwrap();
    let ids: Vec<_> = overview.into_inner().rows.into_iter().map(|row| row.customer_id).collect();
    assert_eq!(ids, ["bob", "cy"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_seen_by_the_query_behind_it_1000_times() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    clients.create_product("teapot", "KITCHEN", 2500).await.unwrap();
    clients.create_customer("ada", "EUROPE").await.unwrap();
    for number in 0..1000 {
        let id = format!("o-{number}");
        let request = place_order(&format!("place-{number}"), &id, "ada", &[("teapot", number % 7 + 1)]);
        let reply = clients.orders.clone().place_order(request).await.unwrap();
        // The token covers what the order stands on, too: the customer and the product are joined.
        let sql = format!(
            "SELECT l.quantity, c.region, p.category FROM orders o JOIN order_lines l ON l.order_id = o.order_id \
             JOIN customers c ON c.customer_id = o.customer_id JOIN products p ON p.sku = l.sku WHERE o.order_id = '{id}'"
        );
        let answer = clients.query_after(&sql, &positions(&reply)).await.unwrap();
        assert_eq!(
            answer.rows,
            [[(number % 7 + 1).to_string(), "EUROPE".to_owned(), "KITCHEN".to_owned()]],
            "{id}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_future_and_a_foreign_one_are_told_apart() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    let heads = clients.wait_caught_up().await;
    let head: &Position = heads.iter().find(|position| position.service == "orders").unwrap();
    let ask = |text: String| {
        let (mut clients, mut request) = (clients.clone(), Request::new(RevenueByRegionRequest::default()));
        let mut query = Request::new(tributary_proto::query::v1::QueryRequest {
            sql: "SELECT 1 AS one".to_owned(),
            max_rows: 0,
        });
        for metadata_map in [request.metadata_mut(), query.metadata_mut()] {
            metadata_map.insert(AFTER, metadata(&text));
            // A tenth of it, at most 100 ms, is left for the way back.
            metadata_map.insert("grpc-timeout", metadata("1500m"));
        }
        let mut insights = insights(&mesh);
        async move {
            let codes = (
                clients.gateway.query(query).await.unwrap_err(),
                insights.revenue_by_region(request).await.unwrap_err(),
            );
            assert_eq!(codes.0.code(), codes.1.code());
            codes.0
        }
    };
    let future = ask(format!("orders/{}/{}", head.epoch, head.sequence + 1)).await;
    assert_eq!(future.code(), Code::DeadlineExceeded);
    assert!(future.message().contains(&head.to_string()), "says where it stands: {}", future.message());
    assert_eq!(ask("orders/0000/1".to_owned()).await.code(), Code::FailedPrecondition);
    assert_eq!(ask("orders".to_owned()).await.code(), Code::InvalidArgument);
    assert_eq!(ask("nobody/0000/1".to_owned()).await.code(), Code::InvalidArgument);
}

/// What a caller may type wrong: the message names the field or the clause, and what to change.
#[tokio::test(flavor = "multi_thread")]
async fn bad_sql_is_refused_with_what_to_change() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    small_shop(&clients).await;
    clients.wait_caught_up().await;
    let refused = [
        ("", "empty"),
        ("SELEC 1", "SELEC"),
        ("SELECT region FROM customer", "customers"),
        ("SELECT reegion FROM customers", "region"),
        ("SELECT 1; SELECT 2", "one"),
        ("DELETE FROM customers", "SELECT"),
        ("UPDATE customers SET region = 'X'", "SELECT"),
        ("INSERT INTO customers VALUES ('x')", "SELECT"),
        ("DROP TABLE customers", "SELECT"),
        ("CREATE TABLE t (a bigint)", "SELECT"),
        ("ATTACH DATABASE '/tmp/x' AS x", "SELECT"),
        ("PRAGMA journal_mode", "SELECT"),
        ("VACUUM", "SELECT"),
        ("SELECT name FROM sqlite_master", "sqlite_master"),
        ("SELECT * FROM pragma_table_info('customers')", "pragma_table_info"),
        ("SELECT load_extension('x')", "load_extension"),
        ("SELECT now() AS n", "now"),
        ("SELECT region FROM customers WHERE customer_id = 1", "text"),
        ("WITH gone AS (DELETE FROM customers RETURNING region) SELECT region FROM gone", "SELECT"),
    ];
    for (sql, hint) in refused {
        let status = clients.query(sql).await.expect_err(sql);
        assert_eq!(status.code(), Code::InvalidArgument, "{sql}: {status}");
        assert!(
            status.message().to_lowercase().contains(&hint.to_lowercase()),
            "{sql}: {}",
            status.message()
        );
    }
    assert_eq!(clients.query("SELECT COUNT(*) AS n FROM customers").await.unwrap().rows, [["3"]]);
}

/// Two queries that would never end are ended at their deadline, while writes and other answers go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_ends_at_its_deadline_while_writes_go_on() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    for number in 0..40 {
        clients.create_customer(&format!("c-{number}"), "EUROPE").await.unwrap();
    }
    clients.wait_caught_up().await;
    let recursive = "WITH RECURSIVE bomb(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM bomb) SELECT COUNT(*) AS n FROM bomb";
    let aliases: Vec<String> = (0..12).map(|n| format!("customers c{n}")).collect();
    let cross = format!("SELECT COUNT(*) AS n FROM {}", aliases.join(" CROSS JOIN "));
    let bombs: Vec<_> = [recursive.to_owned(), cross]
        .into_iter()
        .map(|sql| {
            let clients = clients.clone();
            tokio::spawn(async move { clients.query(&sql).await })
        })
        .collect();
    let mut seen = 0;
    while !bombs.iter().all(tokio::task::JoinHandle::is_finished) {
        let reply = clients.create_customer(&format!("d-{seen}"), "ASIA").await.unwrap();
        let sql = format!("SELECT region FROM customers WHERE customer_id = 'd-{seen}'");
        assert_eq!(clients.query_after(&sql, &positions(&reply)).await.unwrap().rows, [["ASIA"]]);
        seen += 1;
    }
    assert!(seen > 1, "writes went on");
    for bomb in bombs {
        assert_eq!(bomb.await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
    }
}
