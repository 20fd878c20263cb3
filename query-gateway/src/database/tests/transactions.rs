use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::time::timeout;

use super::*;
use crate::sql::Dialect;

#[tokio::test]
async fn what_is_not_committed_is_undone() {
    for place in both("what_is_not_committed_is_undone").await {
        let (mut connection, mut other) = (place.connect().await, place.connect().await);
        connection.script(NUMBERS).await.unwrap();
        for end in 0..3 {
            let mut tx = connection.begin().await.unwrap();
            tx.query("INSERT INTO numbers (n) VALUES ($1)").bind(end).execute().await.unwrap();
            match end {
                0 => tx.commit().await.unwrap(),
                1 => tx.rollback().await.unwrap(),
                _ => drop(tx),
            }
            assert_eq!((count(&mut connection).await, count(&mut other).await), (1, 1));
        }
    }
}

/// Writes two rows.
async fn write(connection: &mut Connection) -> Result<(), Error> {
    let mut tx = connection.begin().await?;
    for n in [1, 2] {
        tx.query("INSERT INTO numbers (n) VALUES ($1)").bind(n).execute().await?;
    }
    tx.commit().await
}

/// Polls a future as often as that, and drops it; whether it was ready.
pub(super) async fn cut(polls: usize, future: impl Future<Output = Result<(), Error>>) -> bool {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        let ready = future.as_mut().poll(context).map(|done| {
            done.unwrap();
            true
        });
        if ready.is_pending() && left == 0 { Poll::Ready(false) } else { ready }
    })
    .await
}

#[tokio::test]
async fn wherever_a_future_is_dropped_all_of_it_is_there_or_nothing() {
    for place in both("wherever_a_future_is_dropped_all_of_it_is_there_or_nothing").await {
        let (mut connection, mut other) = (place.connect().await, place.connect().await);
        connection.script(NUMBERS).await.unwrap();
        // How often it is polled until it is done is up to the other side: it answers at once, or later.
        for polls in (0..12).chain(0..12) {
            let done = cut(polls, write(&mut connection)).await;
            // The next to use it has nothing to do with it.
            let seen = count(&mut connection).await;
            assert!(seen == 2 || (seen == 0 && !done), "{seen} after {polls} polls");
            assert_eq!(count(&mut other).await, seen, "after {polls} polls");
            let mut tx = connection.begin().await.unwrap();
            tx.query("DELETE FROM numbers").execute().await.unwrap();
            tx.commit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_failed_statement_leaves_no_transaction_behind() {
    for place in both("a_failed_statement_leaves_no_transaction_behind").await {
        let mut connection = place.connect().await;
        connection.script(NUMBERS).await.unwrap();
        let mut tx = connection.begin().await.unwrap();
        tx.query("INSERT INTO numbers (n) VALUES (1)").execute().await.unwrap();
        tx.query("INSERT INTO numbers (n) VALUES (1)").execute().await.unwrap_err();
        drop(tx);
        assert_eq!(count(&mut connection).await, 0);
    }
}

#[tokio::test]
async fn the_pool_hands_out_no_open_transaction() {
    for place in both("the_pool_hands_out_no_open_transaction").await {
        let pool = place.pool();
        pool.acquire().await.unwrap().script(NUMBERS).await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        let mut tx = connection.begin().await.unwrap();
        tx.query("INSERT INTO numbers (n) VALUES (1)").execute().await.unwrap();
        drop(tx);
        drop(connection);
        let mut connection = pool.acquire().await.unwrap();
        assert_eq!(count(&mut connection).await, 0);
        connection.begin().await.unwrap().rollback().await.unwrap();
    }
}

#[tokio::test]
async fn a_snapshot_is_of_one_state_and_cannot_write() {
    for place in both("a_snapshot_is_of_one_state_and_cannot_write").await {
        let (mut reader, mut writer) = (place.connect().await, place.connect().await);
        writer.script(NUMBERS).await.unwrap();
        let mut snapshot = reader.snapshot().await.unwrap();
        assert_eq!(count(&mut snapshot).await, 0);
        write(&mut writer).await.unwrap();
        assert_eq!(count(&mut snapshot).await, 0);
        drop(snapshot);
        assert_eq!(count(&mut reader).await, 2);
        if reader.dialect() == Dialect::Postgres {
            let mut snapshot = reader.snapshot().await.unwrap();
            let error = snapshot.query("DELETE FROM numbers").execute().await.unwrap_err();
            assert_eq!(error.class(), Class::Denied, "{error}");
        }
    }
}

/// Even if nobody uses its connection again.
#[tokio::test]
async fn who_writes_elsewhere_does_not_wait_for_what_was_dropped() {
    for place in both("who_writes_elsewhere_does_not_wait_for_what_was_dropped").await {
        let (mut connection, mut other) = (place.connect().await, place.connect().await);
        connection.script(NUMBERS).await.unwrap();
        let mut tx = connection.begin().await.unwrap();
        tx.query("INSERT INTO numbers (n) VALUES (1)").execute().await.unwrap();
        drop(tx);
        let done = timeout(Duration::from_secs(20), write(&mut other)).await;
        done.expect("it waits for what was dropped").unwrap();
        assert_eq!(count(&mut connection).await, 2);
    }
}
