use std::collections::BTreeSet;

use tributary_chassis::{
    outbox::{Call, OutboxOptions},
    testing::NOW,
};

use super::*;
use crate::{
    domain::{Command, OrderLine, OrderState, Payment},
    store::Tables,
};

fn order() -> Order {
    Order {
        customer_id: "ada".to_owned(),
        state: OrderState::Placed,
        payment: Payment::Invoice,
        confirm_time: None,
        order_time: NOW,
        currency_code: "EUR".to_owned(),
        total_minor_units: 7,
        lines: vec![OrderLine {
            sku: "saw".to_owned(),
            display_name: "Saw".to_owned(),
            category: "TOOLS".to_owned(),
            quantity: 1,
            unit_price_minor_units: 7,
        }],
        note: String::new(),
    }
}

/// Otherwise what was written faster than it could be worked on is found by and by, and a service under load gets
/// slower and slower.
#[tokio::test]
async fn one_pass_finds_all_however_little_room_there_is() {
    let directory = tempfile::tempdir().unwrap();
    let options = OutboxOptions::new("orders", directory.path());
    let outbox = Outbox::open_sql::<Tables>(options).await.unwrap();
    let placed: BTreeSet<String> = (0..3 * PAGE).map(|number| format!("o-{number}")).collect();
    let place = placed.iter().map(|order_id| {
        let command = Command::Place { order_id: order_id.clone(), order: order() };
        outbox.execute(Call::new("Place", "", &()).unwrap(), command, |_| ())
    });
    futures::future::try_join_all(place).await.unwrap();

    let (found, mut finds) = mpsc::channel(2);
    let search = Search::new(outbox.clone(), found);
    let all = async {
        let mut all = Vec::new();
        while let Some(order_id) = finds.recv().await {
            all.push(order_id);
        }
        all
    };
    let pass = async move { search.pass().await };
    let (waited, all) = tokio::join!(pass, all);
    assert!(waited.unwrap() > Duration::ZERO);
    assert_eq!((all.len(), BTreeSet::from_iter(all)), (placed.len(), placed));
}
