//! Random updates and deletes of a shop that is there, through its APIs and in the model alike.

use prost_types::{FieldMask, Timestamp};
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use shop_proto::{
    catalog::v1::{self as catalog, DeleteProductRequest, UpdateProductRequest},
    customers::v1::{self as customers, DeleteCustomerRequest, UpdateCustomerRequest},
    money::v1::Money,
    orders::v1::{CancelOrderRequest, DeleteOrderRequest, PlaceOrderRequest},
};

use crate::{
    clients::{Clients, place_order},
    model::{Line, Model, Order},
};

/// Regions and categories that things are moved to: some that there were before, and new ones.
const REGIONS: [&str; 3] = ["EUROPE", "ASIA", "ATLANTIS"];
const CATEGORIES: [&str; 3] = ["Manufacturer#1", "Manufacturer#2", "Manufactory"];
const CURRENCIES: [&str; 2] = ["USD", "EUR"];

/// Who amends.
#[derive(Debug)]
pub struct Amendments<'a> {
    /// The shop.
    pub clients: &'a Clients,
    /// The shop as it ought to be.
    pub model: &'a mut Model,
    /// What chance has in store.
    pub random: StdRng,
    /// How many were made of each kind.
    pub made: std::collections::BTreeMap<&'static str, u64>,
}

impl Amendments<'_> {
    /// Makes one. What there is nothing left to do to is drawn again.
    pub async fn one(&mut self) {
        loop {
            let (name, done) = match self.random.random_range(0..100) {
                0..20 => ("customer updated", self.update_customer().await),
                20..28 => ("customer deleted", self.delete_customer().await),
                28..48 => ("product updated", self.update_product().await),
                48..55 => ("product deleted", self.delete_product().await),
                55..75 => ("order cancelled", self.cancel_order().await),
                75..85 => ("order deleted", self.delete_order().await),
                _ => ("order placed", self.place_order().await),
            };
            if done.is_some() {
                *self.made.entry(name).or_default() += 1;
                return;
            }
        }
    }

    async fn update_customer(&mut self) -> Option<()> {
        let customer_id = pick(&mut self.random, self.model.customers.keys())?;
        let customer = self.model.customers.get_mut(&customer_id)?;
        customer.region = draw(&mut self.random, &REGIONS);
        customer.display_name.push('*');
        let message = customers::Customer {
            customer_id,
            display_name: customer.display_name.clone(),
            region: customer.region.clone(),
            ..customers::Customer::default()
        };
        let request = UpdateCustomerRequest {
            customer: Some(message),
            update_mask: mask(&["display_name", "region"]),
            ..UpdateCustomerRequest::default()
        };
        self.clients.customers.clone().update_customer(request).await.expect("a customer is updated");
        Some(())
    }

    async fn delete_customer(&mut self) -> Option<()> {
        let customer_id = pick(&mut self.random, self.model.customers.keys())?;
        self.model.customers.remove(&customer_id);
        let request = DeleteCustomerRequest { customer_id, ..DeleteCustomerRequest::default() };
        self.clients.customers.clone().delete_customer(request).await.expect("a customer is deleted");
        Some(())
    }

    async fn update_product(&mut self) -> Option<()> {
        let sku = pick(&mut self.random, self.model.products.keys())?;
        let product = self.model.products.get_mut(&sku)?;
        product.category = draw(&mut self.random, &CATEGORIES);
        product.currency = draw(&mut self.random, &CURRENCIES);
        product.cents = self.random.random_range(0..1_000_000);
        let price = Money { currency_code: product.currency.clone(), minor_units: product.cents };
        let category = product.category.clone();
        let request = UpdateProductRequest {
            product: Some(catalog::Product { sku, category, price: Some(price), ..Default::default() }),
            update_mask: mask(&["category", "price"]),
            ..UpdateProductRequest::default()
        };
        self.clients.catalog.clone().update_product(request).await.expect("a product is updated");
        Some(())
    }

    async fn delete_product(&mut self) -> Option<()> {
        let sku = pick(&mut self.random, self.model.products.keys())?;
        self.model.products.remove(&sku);
        let request = DeleteProductRequest { sku, ..DeleteProductRequest::default() };
        self.clients.catalog.clone().delete_product(request).await.expect("a product is deleted");
        Some(())
    }

    async fn cancel_order(&mut self) -> Option<()> {
        let order_id = self.pick_order(false)?;
        self.model.orders.get_mut(&order_id)?.cancelled = true;
        let request = CancelOrderRequest { order_id: order_id.clone(), ..CancelOrderRequest::default() };
        self.clients.orders.clone().cancel_order(request).await.expect("an order is cancelled");
        self.clients.settled(&order_id).await;
        Some(())
    }

    async fn delete_order(&mut self) -> Option<()> {
        let order_id = self.pick_order(true)?;
        self.model.orders.remove(&order_id);
        let request = DeleteOrderRequest { order_id, ..DeleteOrderRequest::default() };
        self.clients.orders.clone().delete_order(request).await.expect("an order is deleted");
        Some(())
    }

    /// At the prices of now, one of its products twice.
    async fn place_order(&mut self) -> Option<()> {
        let customer = pick(&mut self.random, self.model.customers.keys())?;
        let sku = pick(&mut self.random, self.model.products.keys())?;
        let currency = &self.model.products[&sku].currency;
        let alike = self.model.products.iter().filter(|(_, product)| product.currency == *currency);
        let other = pick(&mut self.random, alike.map(|(sku, _)| sku))?;
        let mut line = |sku: &String| Line {
            sku: sku.clone(),
            quantity: self.random.random_range(1..50),
            product: self.model.products[sku].clone(),
        };
        let lines = vec![line(&sku), line(&other), line(&sku)];
        let time = self.random.random_range(694_224_000..1_735_689_600);
        let id = format!("placed-{}", self.made.get("order placed").copied().unwrap_or_default());
        let pairs: Vec<_> = lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect();
        let request = PlaceOrderRequest {
            order_time: Some(Timestamp { seconds: time, nanos: 0 }),
            ..place_order("", &id, &customer, &pairs)
        };
        self.clients.orders.clone().place_order(request).await.expect("an order is placed");
        self.model.orders.insert(id, Order { customer, time, lines, cancelled: false });
        Some(())
    }

    fn pick_order(&mut self, cancelled: bool) -> Option<String> {
        let orders = self.model.orders.iter().filter(|(_, order)| order.cancelled == cancelled);
        pick(&mut self.random, orders.map(|(id, _)| id))
    }
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

/// Any of the ids; `None` where there is none.
fn pick<'a>(random: &mut StdRng, ids: impl Iterator<Item = &'a String>) -> Option<String> {
    ids.collect::<Vec<_>>().choose(random).map(|id| (*id).clone())
}

fn draw(random: &mut StdRng, names: &[&str]) -> String {
    names[random.random_range(0..names.len())].to_owned()
}
