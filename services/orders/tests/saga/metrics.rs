//! What an operator sees of orders that do not come to their end.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use shop_proto::orders::v1::OrderState;

use super::shop::{PATIENCE, Shop};

/// What `/metrics` says of sagas, by name and labels.
fn sagas(address: &str) -> Vec<(String, f64)> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("tributary_saga_"));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Waits until it says so.
async fn until(address: &str, is_so: impl Fn(&dyn Fn(&str) -> f64) -> bool) {
    let begin = Instant::now();
    loop {
        let metrics = sagas(address);
        let value = |name: &str| {
            metrics.iter().find(|(known, _)| known == name).map_or(f64::NAN, |(_, value)| *value)
        };
        if is_so(&value) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{metrics:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const PLACED: &str = r#"tributary_saga_unfinished{saga="order",state="PLACED"}"#;
const CANCELLING: &str = r#"tributary_saga_unfinished{saga="order",state="CANCELLING"}"#;
const OLDEST: &str = r#"tributary_saga_oldest_seconds{saga="order"}"#;
const STUCK: &str = r#"tributary_saga_stuck{saga="order"}"#;

/// `--saga-stuck-after` of this suite is a second.
#[tokio::test(flavor = "multi_thread")]
async fn orders_that_do_not_move_are_counted() {
    let shop = Shop::process().await;
    let admin = shop.service.lock().await.admin();
    until(&admin, |value| [PLACED, CANCELLING, OLDEST, STUCK].map(value) == [0.0; 4]).await;
    shop.world.faults.set_away(true);
    for order_id in ["o-1", "o-2", "o-3"] {
        shop.place(order_id, "teapot", 1, "tok_ok").await;
    }
    shop.cancel("o-3").await.unwrap();
    until(&admin, |value| value(PLACED) == 2.0 && value(CANCELLING) == 1.0).await;
    until(&admin, |value| value(STUCK) == 3.0 && value(OLDEST) > 1.0).await;
    shop.world.faults.set_away(false);
    for (order_id, state) in
        [("o-1", OrderState::Confirmed), ("o-2", OrderState::Confirmed), ("o-3", OrderState::Cancelled)]
    {
        shop.reaches(order_id, &[state]).await.expect("an end");
    }
    until(&admin, |value| [PLACED, CANCELLING, OLDEST, STUCK].map(value) == [0.0; 4]).await;
}
