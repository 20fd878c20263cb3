//! A whole shop in memory, as its contracts have it, with the query gateway in front: each order is at its end
//! as soon as it is placed, though the reply does not say so.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use serde_json::{Value, json};
use tonic::{Status, metadata::MetadataMap};
use tributary_chassis::fault::{Fault, Reason};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Flaws {
    /// Some calls are refused for now, and some are carried out and not answered.
    pub(super) shaky: bool,
    /// Orders stay where they are.
    pub(super) stuck: bool,
    /// The gateway tells one more than there is of what is asked FROM it.
    pub(super) lie: Option<&'static str>,
}

#[derive(Default)]
pub(super) struct Shop {
    state: Mutex<State>,
    flaws: Flaws,
}

#[derive(Default)]
struct State {
    calls: u64,
    effects: u64,
    /// By request id: the request, and its reply.
    replies: BTreeMap<String, (Value, Value)>,
    customers: BTreeMap<String, Value>,
    products: BTreeMap<String, Value>,
    stock: BTreeMap<String, i64>,
    orders: BTreeMap<String, Value>,
    /// State, currency, amount.
    payments: BTreeMap<String, (&'static str, String, i64)>,
    shipments: BTreeMap<String, &'static str>,
    tokens: BTreeSet<String>,
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn refused(reason: Reason) -> Status {
    Fault::new(reason, "refused").into()
}

impl Shop {
    pub(super) fn new(flaws: Flaws) -> Self {
        Self { state: Mutex::default(), flaws }
    }

    /// How many writes there were.
    pub(super) fn effects(&self) -> u64 {
        self.state.lock().unwrap().effects
    }

    /// What orders were paid with.
    pub(super) fn tokens(&self) -> BTreeSet<String> {
        self.state.lock().unwrap().tokens.clone()
    }

    /// Answers any method of the shop and of the gateway.
    pub(super) fn answer(
        &self,
        path: &str,
        metadata: &MetadataMap,
        request: Value,
    ) -> Result<Vec<Value>, Status> {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        if self.flaws.shaky && state.calls.is_multiple_of(10) {
            return Err(refused(Reason::Unavailable));
        }
        let is_lost = self.flaws.shaky && state.calls % 10 == 5;
        let (_, method) = path.split_once('/').unwrap();
        let reply = match method {
            "Query" | "RevenueByRegion" => {
                assert_eq!(metadata.get("tributary-after").unwrap(), "orders/e/1");
                return Ok(state.tell(method, &request, self.flaws.lie));
            }
            "WatchOrder" if self.flaws.stuck => {
                let mut order = state.orders[text(&request, "order_id")].clone();
                order["state"] = "PLACED".into();
                order
            }
            "WatchOrder" => {
                let order = state.orders[text(&request, "order_id")].clone();
                let mut before = order.clone();
                before["state"] = if order["state"] == "CANCELLED" { "CANCELLING" } else { "PLACED" }.into();
                return Ok(vec![before, order]);
            }
            "GetShipment" => {
                let id = text(&request, "shipment_id");
                let shipment = state.shipments.get(id).ok_or_else(|| refused(Reason::NotFound))?;
                json!({ "shipment_id": id, "state": shipment })
            }
            "GetStatus" => json!({ "complete": true }),
            list if list.starts_with("List") => json!({}),
            write => state.once(write, request)?,
        };
        if is_lost { Err(refused(Reason::OutcomeUnknown)) } else { Ok(vec![reply]) }
    }
}

impl State {
    /// The same request id with the same request has no second effect.
    fn once(&mut self, method: &str, request: Value) -> Result<Value, Status> {
        let id = text(&request, "request_id").to_owned();
        if let Some((before, reply)) = self.replies.get(&id) {
            assert_eq!(*before, request, "the request id was used before");
            return Ok(reply.clone());
        }
        let reply = self.write(method, &request)?;
        self.effects += 1;
        self.replies.insert(id, (request, reply.clone()));
        Ok(reply)
    }

    fn write(&mut self, method: &str, request: &Value) -> Result<Value, Status> {
        Ok(match method {
            "CreateCustomer" => {
                let mut customer = request["customer"].clone();
                customer["customer_id"] = request["customer_id"].clone();
                self.customers.insert(text(request, "customer_id").to_owned(), customer.clone());
                customer
            }
            "UpdateCustomer" => {
                let update = &request["customer"];
                let customer = self.customers.get_mut(text(update, "customer_id")).unwrap();
                customer["region"] = update["region"].clone();
                customer.clone()
            }
            "CreateProduct" => {
                self.products.insert(text(request, "sku").to_owned(), request["product"].clone());
                json!({})
            }
            "UpdateProduct" => {
                let update = &request["product"];
                self.products.get_mut(text(update, "sku")).unwrap()["price"] = update["price"].clone();
                json!({})
            }
            "CreateStockItem" => {
                self.stock.insert(text(request, "sku").to_owned(), request["on_hand"].as_i64().unwrap());
                json!({ "sku": request["sku"], "on_hand": request["on_hand"] })
            }
            "ReceiveStock" => {
                let quantity = request["quantity"].as_i64().unwrap();
                *self.stock.get_mut(text(request, "sku")).unwrap() += quantity;
                json!({})
            }
            "PlaceOrder" => self.place(request),
            "CancelOrder" => self.cancel(text(request, "order_id"))?,
            "DispatchShipment" => self.ship(text(request, "shipment_id"), "PENDING", "DISPATCHED")?,
            "DeliverShipment" => self.ship(text(request, "shipment_id"), "DISPATCHED", "DELIVERED")?,
            other => panic!("{other} is not of this shop"),
        })
    }

    fn place(&mut self, request: &Value) -> Value {
        let (id, token) = (text(request, "order_id").to_owned(), text(request, "payment_token"));
        self.tokens.insert(token.to_owned());
        let priced = |line: &Value| {
            let mut line = line.clone();
            line["unit_price"] = self.products[text(&line, "sku")]["price"].clone();
            line
        };
        let lines: Vec<_> = request["lines"].as_array().unwrap().iter().map(priced).collect();
        let units = |line: &Value| line["quantity"].as_i64().unwrap();
        let total: i64 =
            lines.iter().map(|l| units(l) * l["unit_price"]["minor_units"].as_i64().unwrap()).sum();
        let currency = text(&lines[0]["unit_price"], "currency_code").to_owned();
        let mut order = json!({
            "order_id": id, "customer_id": request["customer_id"], "state": "CANCELLED", "lines": lines,
            "total": { "currency_code": currency, "minor_units": total },
            "payment_method": if token.is_empty() { "INVOICE" } else { "CARD" },
        });
        let mut left = self.stock.clone();
        for line in &lines {
            left.entry(text(line, "sku").to_owned()).and_modify(|stock| *stock -= units(line));
        }
        let is_declined = !["", "tok_ok", "tok_timeout_then_ok", "tok_unknown_outcome"].contains(&token);
        if left.values().any(|stock| *stock < 0) {
            order["cancel_cause"] = "OUT_OF_STOCK".into();
        } else if is_declined {
            order["cancel_cause"] = "PAYMENT_DECLINED".into();
            self.payments.insert(id.clone(), ("DECLINED", currency, total));
        } else {
            self.stock = left;
            order["state"] = "CONFIRMED".into();
            order["confirm_time"] = "2026-01-01T00:00:00Z".into();
            self.shipments.insert(id.clone(), "PENDING");
            if !token.is_empty() {
                self.payments.insert(id.clone(), ("CAPTURED", currency, total));
            }
        }
        self.orders.insert(id, order.clone());
        order["state"] = "PLACED".into();
        order
    }

    fn cancel(&mut self, id: &str) -> Result<Value, Status> {
        let order = self.orders.get_mut(id).unwrap();
        if order["state"] != "CONFIRMED" {
            return Err(refused(Reason::WrongState));
        }
        order["state"] = "CANCELLED".into();
        order["cancel_cause"] = "REQUESTED".into();
        for line in order["lines"].as_array().unwrap() {
            let quantity = line["quantity"].as_i64().unwrap();
            self.stock.entry(text(line, "sku").to_owned()).and_modify(|stock| *stock += quantity);
        }
        self.payments.entry(id.to_owned()).and_modify(|payment| payment.0 = "REFUNDED");
        self.shipments.insert(id.to_owned(), "CANCELLED");
        let mut reply = order.clone();
        reply["state"] = "CANCELLING".into();
        Ok(reply)
    }

    fn ship(&mut self, id: &str, from: &str, to: &'static str) -> Result<Value, Status> {
        let shipment = self.shipments.get_mut(id).ok_or_else(|| refused(Reason::NotFound))?;
        if *shipment != from {
            return Err(refused(Reason::WrongState));
        }
        *shipment = to;
        self.orders.get_mut(id).unwrap()["state"] = to.into();
        Ok(json!({ "shipment_id": id, "state": to }))
    }

    /// What the gateway answers.
    fn tell(&self, method: &str, request: &Value, lie: Option<&str>) -> Vec<Value> {
        if method == "RevenueByRegion" {
            return vec![self.revenue(text(request, "category"), lie == Some("revenue"))];
        }
        let (_, from) = text(request, "sql").split_once(" FROM ").unwrap();
        let table = from.split(' ').next().unwrap();
        let (_, pattern) = from.split_once(" LIKE '").unwrap();
        let (columns, rows) = self.rows(table, pattern.split_once("%'").unwrap().0);
        let mut rows: Vec<_> = rows.into_iter().collect();
        if let (true, Some((_, numbers))) = (lie == Some(table), rows.first_mut()) {
            numbers[0] += 1;
        }
        let columns: Vec<_> = columns.iter().map(|name| json!({ "name": name, "type": "" })).collect();
        let rows = rows.into_iter().map(|(texts, numbers)| {
            let texts = texts.into_iter().map(|text| json!({ "text": text }));
            json!({ "values": texts.chain(numbers.into_iter().map(|n| json!({ "int64": n }))).collect::<Vec<_>>() })
        });
        vec![
            json!({ "header": { "columns": columns, "as_of": "" } }),
            json!({ "rows": { "rows": rows.collect::<Vec<_>>() } }),
        ]
    }

    fn rows(&self, table: &str, prefix: &str) -> (&'static [&'static str], BTreeMap<Vec<String>, Vec<i64>>) {
        let mut rows = BTreeMap::<Vec<String>, Vec<i64>>::new();
        let mut add = |key: &str, texts: Vec<&str>, numbers: &[i64]| {
            if !key.starts_with(prefix) {
                return;
            }
            let row = rows.entry(texts.into_iter().map(str::to_owned).collect()).or_default();
            row.resize(numbers.len(), 0);
            row.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        };
        let columns: &[&str] = match table {
            "orders" => {
                self.orders.iter().for_each(|(id, order)| add(id, vec![text(order, "state")], &[1]));
                &["state", "orders"]
            }
            "product_sales" => {
                for (_, sku, currency, units, minor_units) in self.sold() {
                    add(sku, vec![sku, currency], &[units, minor_units]);
                }
                &["sku", "currency_code", "units", "revenue_minor"]
            }
            "stock_items" => {
                self.stock.iter().for_each(|(sku, on_hand)| add(sku, vec![sku], &[*on_hand, 0]));
                &["sku", "on_hand", "reserved"]
            }
            "payments" => {
                for (id, (state, currency, amount)) in &self.payments {
                    add(id, vec![state, currency], &[1, *amount]);
                }
                &["state", "amount_currency_code", "payments", "minor_units"]
            }
            "shipments" => {
                self.shipments.iter().for_each(|(id, state)| add(id, vec![state], &[1]));
                &["state", "shipments"]
            }
            other => panic!("{other} is no table of this shop"),
        };
        (columns, rows)
    }

    /// Customer, sku, currency, units and money of every line that counts.
    fn sold(&self) -> impl Iterator<Item = (&str, &str, &str, i64, i64)> {
        let counts = self.orders.values().filter(|order| order["state"] != "CANCELLED");
        counts.flat_map(|order| {
            order["lines"].as_array().unwrap().iter().map(|line| {
                let (price, units) = (&line["unit_price"], line["quantity"].as_i64().unwrap());
                let minor_units = units * price["minor_units"].as_i64().unwrap();
                let customer = text(order, "customer_id");
                (customer, text(line, "sku"), text(price, "currency_code"), units, minor_units)
            })
        })
    }

    fn revenue(&self, category: &str, lie: bool) -> Value {
        let of_category = |sku: &str| text(&self.products[sku], "category") == category;
        let mut rows: Vec<_> = (self.sold().filter(|(_, sku, ..)| of_category(sku)))
            .map(|(customer, _, currency, units, minor_units)| {
                json!({ "region": self.customers[customer]["region"], "category": category,
                    "currency_code": currency, "orders": 1, "units": units, "revenue_minor": minor_units })
            })
            .collect();
        if lie {
            rows.truncate(rows.len().saturating_sub(1));
        }
        json!({ "rows": rows })
    }
}
