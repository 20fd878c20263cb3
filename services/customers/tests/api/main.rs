//! The customers service as its callers see it: real gRPC, a real store in a temporary directory or, in the program of that
//! name, on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod fields;

use std::path::Path;

use clap::Parser as _;
use customers::Config;
use shop_proto::customers::v1::{
    CreateCustomerRequest, Customer, DeleteCustomerRequest, GetCustomerRequest, ListCustomersRequest,
    UpdateCustomerRequest, customers_client::CustomersClient,
};
use tempfile::TempDir;
use test_prerequisites::postgres::store_flags;
use tonic::{Code, Response, Status, transport::Channel};
use tributary_chassis::{
    resource::{Events, Header, Kind},
    standard_methods,
    testing::{Running, pages::IdsOfPage, standard_methods::StandardMethods},
};

type Client = CustomersClient<Channel>;

/// A running service on a store of its own.
struct Service {
    client: Client,
    running: Running,
    dir: TempDir,
}

impl Service {
    async fn start_in(dir: TempDir) -> Self {
        let running = run(dir.path()).await;
        Self { client: Client::new(running.channel()), running, dir }
    }

    fn client(&self) -> Client {
        self.client.clone()
    }
}

impl StandardMethods for Service {
    type Resource = Customer;
    const KIND: Kind = Kind("customer");
    const TABLE: &'static str = "customers";
    const EVENTS: Events =
        Events { created: "CustomerCreated", updated: "CustomerUpdated", deleted: "CustomerDeleted" };

    async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap()).await
    }

    async fn restart(self) -> Self {
        self.running.stop().await;
        Self::start_in(self.dir).await
    }

    fn running(&self) -> &Running {
        &self.running
    }

    fn header(customer: &mut Customer) -> Header<'_> {
        let Customer { customer_id: id, create_time, update_time, etag, .. } = customer;
        Header { id, create_time, update_time, etag }
    }

    fn written() -> Customer {
        ada()
    }

    fn rewritten() -> Customer {
        Customer { region: "ASIA".to_owned(), ..ada() }
    }

    async fn create(
        &self,
        request_id: &str,
        id: &str,
        customer: Customer,
    ) -> Result<Response<Customer>, Status> {
        let (request_id, customer_id) = (request_id.to_owned(), id.to_owned());
        let request = CreateCustomerRequest { request_id, customer_id, customer: Some(customer) };
        self.client().create_customer(request).await
    }

    async fn get(&self, id: &str) -> Result<Response<Customer>, Status> {
        self.client().get_customer(GetCustomerRequest { customer_id: id.to_owned() }).await
    }

    async fn list(&self, page_size: i32, page_token: String) -> IdsOfPage {
        let page =
            self.client().list_customers(ListCustomersRequest { page_size, page_token }).await?.into_inner();
        Ok((page.customers.into_iter().map(|item| item.customer_id).collect(), page.next_page_token))
    }

    async fn update(&self, request_id: &str, customer: Customer) -> Result<Response<Customer>, Status> {
        let request_id = request_id.to_owned();
        let request = UpdateCustomerRequest { request_id, customer: Some(customer), update_mask: None };
        self.client().update_customer(request).await
    }

    async fn delete(&self, request_id: &str, id: &str, etag: &str) -> Result<(), Status> {
        let (request_id, customer_id, etag) = (request_id.to_owned(), id.to_owned(), etag.to_owned());
        let request = DeleteCustomerRequest { request_id, customer_id, etag };
        self.client().delete_customer(request).await.map(drop)
    }
}

standard_methods!(Service);

async fn run(dir: &Path) -> Running {
    let mut flags = store_flags(env!("CARGO_CRATE_NAME"), dir).await;
    flags.insert(0, "customers".to_owned());
    Running::start("customers", dir, |server| customers::start(Config::parse_from(flags), server)).await
}

/// What a caller can write of a customer.
fn ada() -> Customer {
    Customer {
        display_name: "Ada".to_owned(),
        email: "ada@example.com".to_owned(),
        region: "EUROPE".to_owned(),
        segment: "BUILDING".to_owned(),
        ..Customer::default()
    }
}

fn create(customer_id: &str) -> CreateCustomerRequest {
    CreateCustomerRequest {
        customer_id: customer_id.to_owned(),
        customer: Some(ada()),
        ..CreateCustomerRequest::default()
    }
}

/// Without a mask.
fn update(customer_id: &str, customer: Customer) -> UpdateCustomerRequest {
    let customer = Customer { customer_id: customer_id.to_owned(), ..customer };
    UpdateCustomerRequest { customer: Some(customer), ..UpdateCustomerRequest::default() }
}
