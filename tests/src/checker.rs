//! The audit: reads every feed from its beginning, and holds services and gateway to it and to the ledger.
//!
//! It shares no code with what it audits: continuity and digests are computed here once more, from what
//! `feed.proto` says.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use shop_proto::{
    catalog::v1::Product,
    customers::v1::Customer,
    orders::v1::{Order, OrderState},
};
use tonic::{Status, transport::Channel};
use tributary_proto::feed::v1::{
    Change, DescribeRequest, Operation, Position, SubscribeRequest, change_feed_client::ChangeFeedClient,
    subscribe_request::Start, subscribe_response::Frame,
};

use crate::{
    clients::{Answer, Clients},
    ledger::Ledger,
    lists,
    mesh::SERVICES,
};

/// Audits a mesh whose feeds were pruned: the gateway against the services' own lists and the ledger.
pub async fn audit_without_history(clients: &Clients, ledger: &Ledger) -> Result<(), String> {
    clients.wait_at_rest().await;
    let lists = tokio::try_join!(lists::customers(clients), lists::products(clients), lists::orders(clients));
    let (customers, products, orders) = lists.map_err(|status| status.to_string())?;
    services_hold_the_ledger(ledger, &customers, &products, &orders)?;
    gateway_holds_the_feeds(clients, &customers, &products, &orders).await?;
    gateway_holds_the_ledger(clients, ledger).await
}

/// A feed, read from its first change to the head it had when the audit began.
#[derive(Debug, Default)]
pub struct History {
    /// In order.
    pub changes: Vec<Change>,
    /// The last image of each living entity.
    pub living: BTreeMap<String, Change>,
}

/// Audits a mesh that is at rest: the feeds, and the gateway against them. Every `Err` is a broken promise.
pub async fn audit_feeds(clients: &Clients) -> Result<(), String> {
    clients.wait_at_rest().await;
    let histories = histories(clients).await?;
    let (customers, products, orders) =
        (decode(&histories["customers"])?, decode(&histories["catalog"])?, decode(&histories["orders"])?);
    gateway_holds_the_feeds(clients, &customers, &products, &orders).await
}

/// By service.
async fn histories(clients: &Clients) -> Result<BTreeMap<&'static str, History>, String> {
    let mut histories = BTreeMap::new();
    for (name, feed) in SERVICES.into_iter().zip(&clients.feeds) {
        histories.insert(name, read(feed.clone()).await?);
    }
    Ok(histories)
}

/// Audits a mesh that is at rest. Every `Err` is a broken promise.
pub async fn audit(clients: &Clients, ledger: &Ledger) -> Result<(), String> {
    clients.wait_at_rest().await;
    let histories = histories(clients).await?;
    acknowledged_once(ledger, histories.values())?;
    let customers: BTreeMap<_, Customer> = decode(&histories["customers"])?;
    let products: BTreeMap<_, Product> = decode(&histories["catalog"])?;
    let orders: BTreeMap<_, Order> = decode(&histories["orders"])?;
    services_hold_the_ledger(ledger, &customers, &products, &orders)?;
    gateway_holds_the_feeds(clients, &customers, &products, &orders).await?;
    gateway_holds_the_ledger(clients, ledger).await
}

/// Reads a feed from its beginning and checks all that its contract promises of the order of changes.
pub async fn read(mut feed: ChangeFeedClient<Channel>) -> Result<History, String> {
    let text = |status: Status| status.to_string();
    let description = feed.describe(DescribeRequest {}).await.map_err(text)?.into_inner();
    let head = description.head.ok_or("a description has a head")?;
    let start = Position { sequence: 0, digest: 0, ..head.clone() };
    let request = SubscribeRequest {
        start: Some(Start::After(start.clone())),
        consumer: "checker".to_owned(),
        ..SubscribeRequest::default()
    };
    let mut frames = feed.subscribe(request).await.map_err(text)?.into_inner();
    let (mut history, mut at, mut versions) = (History::default(), start, BTreeMap::new());
    while at.sequence < head.sequence {
        let frame = frames.message().await.map_err(text)?.and_then(|response| response.frame);
        match frame.ok_or("a feed does not end")? {
            Frame::Changes(changes) => {
                check(changes.after.as_ref() == Some(&at), || {
                    format!("a frame after {:?}, not {at:?}", changes.after)
                })?;
                let last = changes.changes.last().map(|change| change.last_in_command);
                check(last == Some(true), || {
                    format!("a frame ends inside a command, after {}", at.sequence)
                })?;
                for change in changes.changes {
                    at = next(&at, &change)?;
                    follow_version(&mut versions, &change)?;
                    history.take(change);
                }
                check(changes.through.as_ref() == Some(&at), || {
                    format!("through {:?}, not {at:?}", changes.through)
                })?;
            }
            Frame::Progress(_) => {}
            other => return Err(format!("not asked for: {other:?}")),
        }
    }
    check(at == head || at.sequence > head.sequence, || format!("the head was {head:?} and is {at:?}"))?;
    Ok(history)
}

impl History {
    fn take(&mut self, change: Change) {
        match change.operation() {
            Operation::Upsert => self.living.insert(change.key.clone(), change.clone()),
            _ => self.living.remove(&change.key),
        };
        self.changes.push(change);
    }
}

/// The position behind `change`, if it is the one that follows `at`.
fn next(at: &Position, change: &Change) -> Result<Position, String> {
    check(change.sequence == at.sequence + 1, || {
        format!("a hole: {} follows {}", change.sequence, at.sequence)
    })?;
    let value = change.value.as_ref().ok_or("a change has a value")?;
    let mut hash = Sha256::new();
    hash.update(at.digest.to_be_bytes());
    hash.update(change.sequence.to_be_bytes());
    for text in [&change.entity, &change.key] {
        hash.update(u32::try_from(text.len()).map_err(|_| "a length")?.to_be_bytes());
        hash.update(text);
    }
    hash.update(change.operation.to_be_bytes());
    hash.update(u32::try_from(value.value.len()).map_err(|_| "a length")?.to_be_bytes());
    hash.update(&value.value);
    let digest = hash.finalize()[..8].try_into().map(u64::from_be_bytes).map_err(|_| "8 bytes")?;
    Ok(Position { sequence: change.sequence, digest, ..at.clone() })
}

fn follow_version(versions: &mut BTreeMap<String, u64>, change: &Change) -> Result<(), String> {
    let version = versions.entry(change.key.clone()).or_default();
    // A key that was deleted may begin again.
    let follows = change.version == *version + 1 || (change.version == 1 && *version == 0);
    check(follows, || {
        format!("{} {}: version {} follows {version}", change.entity, change.key, change.version)
    })?;
    *version = if change.operation() == Operation::Delete { 0 } else { change.version };
    Ok(())
}

/// Every acknowledged request is in exactly one feed, as exactly one command.
fn acknowledged_once<'a>(
    ledger: &Ledger,
    histories: impl Iterator<Item = &'a History>,
) -> Result<(), String> {
    let mut commands: BTreeMap<&str, u64> = BTreeMap::new();
    for history in histories {
        for change in history.changes.iter().filter(|change| change.last_in_command) {
            *commands.entry(&change.request_id).or_default() += 1;
        }
    }
    for request_id in &ledger.acknowledged {
        let times = commands.get(request_id.as_str()).copied().unwrap_or_default();
        check(times == 1, || format!("{request_id} was acknowledged and is {times} times in the feeds"))?;
    }
    Ok(())
}

fn decode<T: prost::Message + Default>(history: &History) -> Result<BTreeMap<String, T>, String> {
    let message = |change: &Change| {
        T::decode(change.value.as_ref().map(|any| any.value.as_slice()).unwrap_or_default())
    };
    history
        .living
        .iter()
        .map(|(key, change)| Ok((key.clone(), message(change).map_err(|e| e.to_string())?)))
        .collect()
}

fn services_hold_the_ledger(
    ledger: &Ledger,
    customers: &BTreeMap<String, Customer>,
    products: &BTreeMap<String, Product>,
    orders: &BTreeMap<String, Order>,
) -> Result<(), String> {
    for (id, region) in &ledger.customers {
        let found = customers.get(id).map(|customer| &customer.region);
        check(found == Some(region), || format!("customer {id}: {found:?}, acknowledged {region}"))?;
    }
    for (sku, cents) in &ledger.products {
        let found =
            products.get(sku).and_then(|product| product.price.as_ref()).map(|price| price.minor_units);
        check(found == Some(*cents), || format!("product {sku}: {found:?}, acknowledged {cents}"))?;
    }
    for (id, entry) in &ledger.orders {
        let order = orders.get(id).ok_or_else(|| format!("order {id} was acknowledged and is lost"))?;
        let total = order.total.as_ref().map(|total| total.minor_units);
        check(total == Some(entry.total), || {
            format!("order {id}: total {total:?}, acknowledged {}", entry.total)
        })?;
        let cancelled = order.state() == OrderState::Cancelled;
        check(cancelled == entry.cancelled, || {
            format!("order {id}: cancelled {cancelled}, acknowledged {}", entry.cancelled)
        })?;
    }
    Ok(())
}

/// The base tables are the last images of the feeds: nothing missing, nothing left over.
async fn gateway_holds_the_feeds(
    clients: &Clients,
    customers: &BTreeMap<String, Customer>,
    products: &BTreeMap<String, Product>,
    orders: &BTreeMap<String, Order>,
) -> Result<(), String> {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let expected = customers.values().map(|c| row(&[&c.customer_id, &c.display_name, &c.region])).collect();
    same_rows(clients, "SELECT customer_id, display_name, region FROM customers", expected).await?;
    let price = |p: &Product| p.price.as_ref().map(|price| price.minor_units).unwrap_or_default().to_string();
    let expected = products.values().map(|p| row(&[&p.sku, &p.category, &price(p)])).collect();
    same_rows(clients, "SELECT sku, category, price_minor_units FROM products", expected).await?;
    let expected =
        orders.values().map(|o| row(&[&o.order_id, &o.customer_id, o.state().as_str_name()])).collect();
    same_rows(clients, "SELECT order_id, customer_id, state FROM orders", expected).await?;
    let lines = orders.values().flat_map(|order| {
        order.lines.iter().zip(1..).map(move |(line, ordinal): (_, u32)| {
            row(&[&order.order_id, &ordinal.to_string(), &line.sku, &line.quantity.to_string()])
        })
    });
    same_rows(clients, "SELECT order_id, ordinal, sku, quantity FROM order_lines", lines.collect()).await
}

async fn gateway_holds_the_ledger(clients: &Clients, ledger: &Ledger) -> Result<(), String> {
    let revenue = ledger.revenue_by_region();
    let expected = revenue.iter().map(|(region, cents)| vec![region.clone(), cents.to_string()]).collect();
    let sql = "SELECT region, SUM(revenue_minor) AS revenue FROM revenue_by_region GROUP BY region";
    same_rows(clients, sql, expected).await
}

/// Compares as sets, since every row has a key; pages by key are not needed below the cap of an answer.
async fn same_rows(clients: &Clients, sql: &str, expected: BTreeSet<Vec<String>>) -> Result<(), String> {
    let page = 10_000;
    let mut found = BTreeSet::new();
    for offset in (0..=expected.len()).step_by(page) {
        let sql = format!("SELECT * FROM ({sql}) AS audited ORDER BY 1, 2 LIMIT {page} OFFSET {offset}");
        let answer: Answer = clients.query(&sql).await.map_err(|status| format!("{sql}: {status}"))?;
        check(answer.as_of.contains("complete=1"), || format!("{sql}: {}", answer.as_of))?;
        found.extend(answer.rows);
    }
    let (lost, extra): (Vec<_>, Vec<_>) =
        (expected.difference(&found).take(3).collect(), found.difference(&expected).take(3).collect());
    check(lost.is_empty() && extra.is_empty(), || format!("{sql}: missing {lost:?}, too much {extra:?}"))
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
