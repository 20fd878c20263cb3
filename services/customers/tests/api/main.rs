//! The customers service as its callers see it: real gRPC, a real store in a temporary directory or, in the program of that
//! name, on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod feed;
mod fields;
mod life;
mod pages;
mod repetition;

use std::path::Path;

use clap::Parser as _;
use customers::Config;
use shop_proto::customers::v1::{
    CreateCustomerRequest, Customer, DeleteCustomerRequest, GetCustomerRequest, UpdateCustomerRequest,
    customers_client::CustomersClient,
};
use tempfile::TempDir;
use test_prerequisites::postgres::store_flags;
use tonic::{Code, Status, transport::Channel};
use tributary_chassis::{
    fault::Reason,
    testing::{Running, refusal},
};

type Client = CustomersClient<Channel>;

/// A running service on a store of its own.
struct Service {
    client: Client,
    running: Running,
    dir: TempDir,
}

impl Service {
    async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap()).await
    }

    async fn restart(self) -> Self {
        self.running.stop().await;
        Self::start_in(self.dir).await
    }

    async fn start_in(dir: TempDir) -> Self {
        let running = run(dir.path()).await;
        Self { client: Client::new(running.channel()), running, dir }
    }

    async fn create(&self, request: CreateCustomerRequest) -> Result<Customer, Status> {
        Ok(self.client.clone().create_customer(request).await?.into_inner())
    }

    async fn update(&self, request: UpdateCustomerRequest) -> Result<Customer, Status> {
        Ok(self.client.clone().update_customer(request).await?.into_inner())
    }

    async fn delete(&self, request: DeleteCustomerRequest) -> Result<(), Status> {
        self.client.clone().delete_customer(request).await?;
        Ok(())
    }

    async fn get(&self, customer_id: &str) -> Result<Customer, Status> {
        let request = GetCustomerRequest { customer_id: customer_id.to_owned() };
        Ok(self.client.clone().get_customer(request).await?.into_inner())
    }
}

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

fn delete(customer_id: &str, etag: &str) -> DeleteCustomerRequest {
    DeleteCustomerRequest {
        customer_id: customer_id.to_owned(),
        etag: etag.to_owned(),
        ..DeleteCustomerRequest::default()
    }
}
