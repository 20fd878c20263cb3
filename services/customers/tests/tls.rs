//! A customers service whose database is reached by TLS alone: it believes the authority that it is told, and nobody else.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use clap::Parser as _;
use customers::Config;
use shop_proto::customers::v1::{
    CreateCustomerRequest, Customer, GetCustomerRequest, customers_client::CustomersClient,
};
use tempfile::TempDir;
use test_prerequisites::postgres::tls::{self, Secured};
use tributary_chassis::{
    backup, database::Database, fault::causes, outbox::POSTGRES_STORES, testing::Running,
};

async fn refusal(url: &str) -> String {
    let database: Database = url.parse().unwrap();
    causes(&database.connect("").await.map(drop).unwrap_err())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_speaks_tls_with_its_database() {
    let Some(secured) = tls::database("a_service_speaks_tls_with_its_database").await else { return };
    let (dir, url) = (TempDir::new().unwrap(), secured.verified_by(&secured.authority));
    let config = Config::parse_from(["customers", "--store", &url]);
    let running = Running::start("customers", dir.path(), |server| customers::start(config, server)).await;
    let mut client = CustomersClient::new(running.channel());
    let ada = Customer {
        display_name: "Ada".to_owned(),
        email: "ada@example.com".to_owned(),
        region: "EUROPE".to_owned(),
        segment: "BUILDING".to_owned(),
        ..Customer::default()
    };
    let create = CreateCustomerRequest {
        customer_id: "ada".to_owned(),
        customer: Some(ada),
        ..CreateCustomerRequest::default()
    };
    client.create_customer(create).await.unwrap();
    client.get_customer(GetCustomerRequest { customer_id: "ada".to_owned() }).await.unwrap();
    let (all, encrypted) = secured.sessions().await;
    assert!(all >= 3 && encrypted == all, "{encrypted} of {all} sessions are encrypted");
    running.stop().await;

    let file = dir.path().join("customers.backup");
    let taken =
        backup::backup_database(&POSTGRES_STORES, &url.parse().unwrap(), &file, &|_| {}).await.unwrap();
    assert_eq!(taken.manifest.identity.head, 1);
}

#[tokio::test]
async fn a_database_that_somebody_else_pretends_to_be_is_refused() {
    let test = "a_database_that_somebody_else_pretends_to_be_is_refused";
    let Some(secured) = tls::database(test).await else { return };
    let Secured { url, authority, stranger } = &secured;
    let refused = refusal(&secured.verified_by(stranger)).await;
    assert!(refused.contains("certificate"), "{refused}");
    // Whom the system trusts has not signed it either.
    let refused = refusal(&format!("{url}?sslmode=verify-full")).await;
    assert!(refused.contains("certificate"), "{refused}");
    // It is the certificate of another name.
    let elsewhere = secured.verified_by(authority).replace("@localhost:", "@127.0.0.1:");
    let refused = refusal(&elsewhere).await;
    assert!(refused.contains("certificate"), "{refused}");
    // The server lets nobody in without.
    let refused = refusal(&format!("{url}?sslmode=disable")).await;
    assert!(refused.contains("no encryption"), "{refused}");
}
