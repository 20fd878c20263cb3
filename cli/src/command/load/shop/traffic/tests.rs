//! What is thrown is what is promised.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn orders(events: &[Event]) -> Vec<&Order> {
    let mut orders = Vec::new();
    for event in events {
        if let Event::Order(order) = event {
            orders.push(order);
        }
    }
    orders
}

fn first(seed: u64, count: usize) -> Vec<Event> {
    let (mut events, traffic) = Traffic::new(seed);
    events.extend(traffic.take(count));
    events
}

#[test]
fn a_seed_always_gives_the_same_and_another_something_else() {
    assert_eq!(first(7, 500), first(7, 500));
    assert_ne!(first(7, 500), first(8, 500));
}

#[test]
fn whatever_is_named_was_made_before() {
    let (mut customers, mut products) = (0, BTreeMap::new());
    for event in first(1, 5_000) {
        match event {
            Event::Customer { customer, .. } => {
                assert_eq!(customer, customers);
                customers += 1;
            }
            Event::Product(product) => {
                assert_eq!(product.product, products.len());
                products.insert(product.product, product);
            }
            Event::Move { customer, .. } => assert!(customer < customers),
            Event::Price { product, currency, .. } => assert_eq!(products[&product].currency, currency),
            Event::Receive { product, .. } => assert!(products[&product].stock.is_some()),
            Event::Order(order) => {
                assert!(order.customer < customers && !order.lines.is_empty());
                let currencies: BTreeSet<_> =
                    order.lines.iter().map(|(product, _)| products[product].currency).collect();
                assert_eq!(currencies.len(), 1, "{order:?}");
            }
        }
    }
    assert!(products.len() < mix::MOST_PRODUCTS);
}

#[test]
fn nobody_moves_twice_nor_to_where_they_live() {
    let mut regions = BTreeMap::new();
    let mut moved = BTreeSet::new();
    for event in first(2, 5_000) {
        match event {
            Event::Customer { customer, region } => drop(regions.insert(customer, region)),
            Event::Move { customer, region } => {
                assert!(moved.insert(customer), "{customer}");
                assert_ne!(regions.insert(customer, region), Some(region));
            }
            _ => {}
        }
    }
    assert!(moved.len() > 50, "{}", moved.len());
}

#[test]
fn every_way_to_pay_and_every_fate_is_met_as_often_as_it_weighs() {
    let events = first(3, 20_000);
    let orders = orders(&events);
    let share = |count: usize| count as f64 * 100.0 / orders.len() as f64;
    assert_eq!(TOKENS.iter().map(|(weight, _)| weight).sum::<usize>(), 100);
    assert_eq!(FATES.iter().map(|(weight, _)| weight).sum::<usize>(), 100);
    for (weight, token) in TOKENS {
        let met = share(orders.iter().filter(|order| order.token == *token).count());
        assert!((met - *weight as f64).abs() < 1.5, "{token:?}: {met}");
    }
    for (weight, fate) in FATES {
        let met = share(orders.iter().filter(|order| order.fate == *fate).count());
        assert!((met - *weight as f64).abs() < 1.5, "{fate:?}: {met}");
    }
}

/// In the long run more is received of what there is plenty of than is asked for; what is scarce runs out.
#[test]
fn plenty_lasts_and_scarce_runs_out() {
    let mut on_hand = BTreeMap::new();
    let (mut short, mut lines) = (BTreeSet::new(), 0);
    for event in first(4, 60_000) {
        match event {
            Event::Product(Product { product, stock: Some(stock), .. }) => {
                on_hand.insert(product, (stock, stock >= 500));
            }
            Event::Receive { product, quantity, .. } => on_hand.get_mut(&product).unwrap().0 += quantity,
            Event::Order(order) => {
                for (product, quantity) in order.lines {
                    let Some((left, is_plenty)) = on_hand.get_mut(&product) else { continue };
                    lines += 1;
                    if *left < quantity {
                        assert!(!*is_plenty, "{product}");
                        short.insert(order.number);
                    } else {
                        *left -= quantity;
                    }
                }
            }
            _ => {}
        }
    }
    assert!(short.len() * 50 > lines / 2, "{} of {lines}", short.len());
}
