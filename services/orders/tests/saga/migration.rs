//! A store that the version before the saga has written: what it left PLACED goes on, what it left CANCELLED
//! stays as it was.

use std::path::Path;

use shop_proto::orders::v1::{CancelCause, OrderState, PaymentMethod};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use test_prerequisites::postgres::is_on_postgres;

use super::{
    audit::{End, Expected, audit},
    shop::Shop,
};

/// Takes the store back to where the first migration left it, with an order in each state that there was.
async fn take_back(data_dir: &Path) {
    let options = SqliteConnectOptions::new().filename(data_dir.join("store.db"));
    let mut connection = options.connect().await.unwrap();
    let back = format!(
        "DROP TABLE orders; DELETE FROM _sqlx_migrations WHERE version = 2; {}",
        include_str!("../../migrations/sqlite/0001_orders.sql")
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(back)).execute(&mut connection).await.unwrap();
    let insert = "INSERT INTO orders VALUES (?1, 'ada', ?2, ?3, 7, 'EUR', 2500,
        '[{\"sku\":\"teapot\",\"display_name\":\"Teapot\",\"category\":\"K\",\"quantity\":1,
           \"unit_price_minor_units\":2500}]', 'ring', 1, 2, 8, 9)";
    for (id, state, reason) in [("old-1", "PLACED", ""), ("old-2", "CANCELLED", "too late")] {
        let insert = sqlx::query(insert).bind(id).bind(state).bind(reason);
        insert.execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_version_before_left_goes_on() {
    if is_on_postgres(env!("CARGO_CRATE_NAME")) {
        // No version before the saga could write there.
        return;
    }
    let mut shop = Shop::inside(None).await;
    // So that the feed has a change for the rows to be of.
    shop.place("new-1", "teapot", 1, "tok_ok").await;
    shop.reaches("new-1", &[OrderState::Confirmed]).await.expect("confirmed");
    shop.while_stopped(take_back).await;

    let cancelled = shop.get("old-2").await;
    assert_eq!(
        (cancelled.state(), cancelled.cancel_cause()),
        (OrderState::Cancelled, CancelCause::Requested)
    );
    assert_eq!((cancelled.cancel_reason.as_str(), cancelled.etag.as_str()), ("too late", "2-1"));
    let confirmed = shop.reaches("old-1", &[OrderState::Confirmed]).await.expect("confirmed");
    assert_eq!((confirmed.payment_method(), confirmed.note.as_str()), (PaymentMethod::Invoice, "ring"));
    assert_eq!(confirmed.create_time.map(|time| (time.seconds, time.nanos)), Some((0, 8_000)));
    let end = |id: &str, by_card| Expected {
        order_id: id.to_owned(),
        sku: "teapot",
        quantity: 1,
        by_card,
        end: End::Confirmed,
        or: None,
    };
    let mut findings = audit(&shop, &[end("old-1", false)]).await;
    // The order that was placed first is gone with the table.
    findings.retain(|finding| !finding.starts_with("teapot: "));
    assert_eq!(findings, [""; 0]);
}
