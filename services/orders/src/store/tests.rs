use sqlx::Row as _;
use test_prerequisites::postgres;
use tributary_chassis::{
    outbox::{Stored, scan_statement},
    testing::Table,
};

use super::*;

/// Without the index each sweep reads every order there ever was.
#[tokio::test]
async fn unfinished_orders_are_found_by_their_index() {
    let Ok(Table::Sqlite(mut connection)) = Table::on_sqlite::<Tables>().await else { panic!("no table") };
    let scan = scan_statement::<Tables>(UNFINISHED).unwrap();
    let plan = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {scan}"));
    let rows = sqlx::query(plan).bind("").bind(9).fetch_all(&mut connection).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    assert_eq!(plan, ["SEARCH orders USING INDEX orders_unfinished (order_id>?)"]);
}

#[test]
fn every_cause_is_read_as_it_was_written() {
    for cause in [
        CancelCause::Requested,
        CancelCause::OutOfStock,
        CancelCause::PaymentDeclined,
        CancelCause::IdUsedBefore,
    ] {
        assert_eq!(read_cause(cause.name()).unwrap(), cause);
    }
    assert!(read_cause("").is_err() && read_payment("CASH", String::new()).is_err());
}

fn order(state: OrderState, payment: Payment) -> Order {
    let now = from_micros(1_700_000_000_000_007);
    let confirmed = matches!(state, OrderState::Cancelling { shipment_cancelled: true, .. });
    Order {
        customer_id: "ada".to_owned(),
        state,
        payment,
        confirm_time: confirmed.then_some(now),
        order_time: now,
        currency_code: "EUR".to_owned(),
        total_minor_units: 7,
        lines: vec![OrderLine {
            sku: "saw".to_owned(),
            display_name: "Säge".to_owned(),
            category: "TOOLS".to_owned(),
            quantity: 1,
            unit_price_minor_units: 7,
        }],
        note: "ring".to_owned(),
    }
}

#[tokio::test]
async fn every_order_is_read_as_it_was_written() {
    let mut tables = vec![Table::on_sqlite::<Tables>().await.unwrap()];
    if let Some(database) = postgres::database("every_order_is_read_as_it_was_written").await {
        tables.push(Table::on_postgres::<Tables>(&database.parse().unwrap()).await.unwrap());
    }
    for table in tables {
        is_read_as_it_was_written(table).await;
    }
}

async fn is_read_as_it_was_written(mut table: Table) {
    let cancellation = Cancellation { cause: CancelCause::Requested, reason: "late".to_owned() };
    let card = || Payment::Card(Token("tok_ok".to_owned()));
    let cancelling = |shipment_cancelled| OrderState::Cancelling {
        cancellation: cancellation.clone(),
        shipment_cancelled,
    };
    let orders = [
        order(OrderState::Placed, card()),
        order(OrderState::Confirmed, Payment::Invoice),
        order(cancelling(false), card()),
        order(cancelling(true), card()),
        order(OrderState::Cancelled(cancellation.clone()), Payment::Invoice),
        order(OrderState::Dispatched, card()),
        order(OrderState::Delivered, card()),
    ];
    let writes: Vec<(String, Option<Stored<Order>>)> = (1..)
        .zip(orders)
        .map(|(sequence, state)| {
            let time = from_micros(9);
            let stored = Stored { state, sequence, version: 1, create_time: time, update_time: time };
            (format!("o-{sequence}"), Some(stored))
        })
        .collect();
    table.save::<Tables>(&writes).await.unwrap();
    let read = table.scan::<Tables>(ORDERS).await.unwrap();
    let written: Vec<_> = writes.into_iter().map(|(id, stored)| (id, stored.unwrap())).collect();
    assert_eq!(read, written);
    let unfinished = table.scan::<Tables>(UNFINISHED).await.unwrap();
    let ids: Vec<&str> = unfinished.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["o-1", "o-3", "o-4"]);
}
