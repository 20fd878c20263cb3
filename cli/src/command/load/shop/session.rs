//! One run: what is there before, the traffic, the wait until all is settled, the verdict.

use std::{cell::RefCell, sync::Arc};

use futures::{Stream, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

use super::{
    Shop,
    calls::Calls,
    display::Display,
    ledger::Ledger,
    life::Life,
    methods::{Methods, READS},
    names::Names,
    questions::Questions,
    shopkeeping, traffic,
    traffic::{Event, Traffic},
    verdict,
};
use crate::{
    endpoint::Target,
    failure::Failure,
    mesh::{GATEWAY, Mesh},
    terminal,
};

/// Orders that are not settled, at most: beyond, none arrives.
const OPEN: usize = 10_000;
/// Orders that are named where some are not settled.
const NAMED: usize = 10;

/// A run that is under way.
struct Session<'a> {
    shop: &'a Shop,
    names: &'a Names,
    calls: &'a Calls<'a>,
    display: &'a Display,
    ledger: RefCell<Ledger>,
}

/// An event, and when it was due. Where arrivals wait for a turn, it is over when the order is placed.
struct Arrival {
    event: Event,
    due: Instant,
    turn: Option<OwnedSemaphorePermit>,
}

/// From the first customer to the verdict.
pub(super) async fn run(mesh: &Mesh, shop: &Shop, names: &Names, seed: u64) -> Result<(), Failure> {
    let gateway = Target::parse(mesh, GATEWAY)?;
    let methods = Methods::find(mesh).await?;
    let display = Display::new(shop.orders);
    let calls = Calls::new(&methods, &shop.pace, &display);
    let session = Session { shop, names, calls: &calls, display: &display, ledger: RefCell::default() };
    tokio::select! {
        outcome = session.trade(seed) => outcome?,
        never = display.keep(gateway.channel.clone()) => match never {},
    }
    display.clear();
    terminal::say(&display.summary());
    session.all_settled()?;
    session.read_up_to_the_end().await?;
    let questions = Questions {
        gateway,
        methods: &methods,
        pace: &shop.pace,
        display: &display,
        names,
        after: calls.written(),
    };
    verdict::pronounce(&session.ledger.into_inner(), &questions).await
}

impl Session<'_> {
    /// Everything that happens, until every order is settled or given up.
    async fn trade(&self, seed: u64) -> Result<(), Failure> {
        let (before, traffic) = Traffic::new(seed);
        let before = before.into_iter().map(|event| Ok(Arrival { event, due: Instant::now(), turn: None }));
        stream::iter(before).try_for_each_concurrent(OPEN, |arrival| self.happen(arrival)).await?;
        self.arrivals(traffic).try_for_each_concurrent(OPEN, |arrival| self.happen(arrival)).await
    }

    fn arrivals(&self, traffic: Traffic) -> impl Stream<Item = Result<Arrival, Failure>> {
        let (rate, started) = (self.shop.rate, Instant::now());
        let turns = Arc::new(Semaphore::new(self.shop.pace.concurrency.into()));
        let orders = self.shop.orders;
        stream::try_unfold((traffic, 1, turns), move |(mut traffic, mut order, turns)| async move {
            if order > orders {
                return Ok(None);
            }
            let (due, turn) = match rate.due(started, order) {
                Some(due) => {
                    sleep_until(due).await;
                    (due, None)
                }
                None => {
                    let turn = Arc::clone(&turns).acquire_owned().await.map_err(Failure::defect)?;
                    (Instant::now(), Some(turn))
                }
            };
            let Some(event) = traffic.next() else { return Ok(None) };
            if let Event::Order(_) = event {
                order += 1;
            }
            Ok(Some((Arrival { event, due, turn }, (traffic, order, turns))))
        })
    }

    async fn happen(&self, Arrival { event, due, turn }: Arrival) -> Result<(), Failure> {
        let (calls, names) = (self.calls, self.names);
        match event {
            Event::Customer { customer, region } => {
                let customer = shopkeeping::customer(calls, names, customer, region).await?;
                self.ledger.borrow_mut().customer(customer);
            }
            Event::Move { customer, region } => {
                let customer = shopkeeping::moves(calls, names, customer, region).await?;
                self.ledger.borrow_mut().customer(customer);
            }
            Event::Product(product) => {
                let item = shopkeeping::product(calls, names, &product).await?;
                item.iter().for_each(|item| self.ledger.borrow_mut().stocked(item));
            }
            Event::Price { product, number, currency, minor_units } => {
                let price = shopkeeping::price(currency, minor_units);
                shopkeeping::reprice(calls, names, product, number, price).await?;
            }
            Event::Receive { product, number, quantity } => {
                let sku = shopkeeping::receive(calls, names, product, number, quantity).await?;
                self.ledger.borrow_mut().received(&sku, quantity);
            }
            Event::Order(order) => self.live(&order, due, turn).await?,
        }
        Ok(())
    }

    async fn live(
        &self,
        order: &traffic::Order,
        due: Instant,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Failure> {
        let life = Life::new(self.calls, self.names, order);
        let placed = life.place(due).await?;
        drop(turn);
        if let Some(settled) = life.live(placed).await? {
            self.display.board.borrow_mut().settle(&settled);
            self.ledger.borrow_mut().settled(&settled);
        }
        Ok(())
    }

    /// Fails with the orders that are not where they belong.
    fn all_settled(&self) -> Result<(), Failure> {
        let board = self.display.board.borrow();
        let open = board.open();
        if open.is_empty() {
            return Ok(());
        }
        let mut text = format!("{} orders are not settled, and nothing moves any more", open.len());
        for (id, state) in open.iter().take(NAMED) {
            text.push_str(&format!("\n  {id} is {}", state.name()));
        }
        if open.len() > NAMED {
            text.push_str(&format!("\n  and {} more", open.len() - NAMED));
        }
        let patience = self.shop.pace.patience;
        Err(Failure::failed(text)
            .with_advice(&format!(
                "they were waited for for {patience:?} (--patience); see `tributary status`"
            ))
            .with_advice(&self.shop.again()))
    }

    /// What services did by themselves, they did before these reads: what they come to, the gateway has to show.
    async fn read_up_to_the_end(&self) -> Result<(), Failure> {
        for read in READS {
            self.calls.must::<Value>(read, &json!({ "page_size": 1 })).await?;
        }
        Ok(())
    }
}
