//! The catalog service as its callers see it: real gRPC, a real store in a temporary directory.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod batch;
mod fields;

use std::path::Path;

use catalog::Config;
use clap::Parser as _;
use shop_proto::catalog::v1::{
    CreateProductRequest, DeleteProductRequest, GetProductRequest, ListProductsRequest, Product,
    UpdateProductRequest, catalog_client::CatalogClient,
};
use shop_proto::money::v1::Money;
use tempfile::TempDir;
use tonic::{Code, Response, Status, transport::Channel};
use tributary_chassis::{
    resource::{Events, Header, Kind},
    standard_methods,
    testing::{Running, pages::IdsOfPage, standard_methods::StandardMethods},
};

type Client = CatalogClient<Channel>;

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
    type Resource = Product;
    const KIND: Kind = Kind("product");
    const TABLE: &'static str = "products";
    const EVENTS: Events =
        Events { created: "ProductCreated", updated: "ProductUpdated", deleted: "ProductDeleted" };

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

    fn header(product: &mut Product) -> Header<'_> {
        let Product { sku: id, create_time, update_time, etag, .. } = product;
        Header { id, create_time, update_time, etag }
    }

    fn written() -> Product {
        teapot()
    }

    fn rewritten() -> Product {
        Product { category: "TOOLS".to_owned(), ..teapot() }
    }

    async fn create(
        &self,
        request_id: &str,
        id: &str,
        product: Product,
    ) -> Result<Response<Product>, Status> {
        let (request_id, sku) = (request_id.to_owned(), id.to_owned());
        let request = CreateProductRequest { request_id, sku, product: Some(product) };
        self.client().create_product(request).await
    }

    async fn get(&self, id: &str) -> Result<Response<Product>, Status> {
        self.client().get_product(GetProductRequest { sku: id.to_owned() }).await
    }

    async fn list(&self, page_size: i32, page_token: String) -> IdsOfPage {
        let page =
            self.client().list_products(ListProductsRequest { page_size, page_token }).await?.into_inner();
        Ok((page.products.into_iter().map(|item| item.sku).collect(), page.next_page_token))
    }

    async fn update(&self, request_id: &str, product: Product) -> Result<Response<Product>, Status> {
        let request_id = request_id.to_owned();
        let request = UpdateProductRequest { request_id, product: Some(product), update_mask: None };
        self.client().update_product(request).await
    }

    async fn delete(&self, request_id: &str, id: &str, etag: &str) -> Result<(), Status> {
        let (request_id, sku, etag) = (request_id.to_owned(), id.to_owned(), etag.to_owned());
        let request = DeleteProductRequest { request_id, sku, etag };
        self.client().delete_product(request).await.map(drop)
    }
}

standard_methods!(Service);

async fn run(dir: &Path) -> Running {
    Running::start("catalog", dir, |server| catalog::start(Config::parse_from(["catalog"]), server)).await
}

/// What a caller can write of a product.
fn teapot() -> Product {
    Product {
        display_name: "Teapot".to_owned(),
        category: "KITCHEN".to_owned(),
        price: Some(euros(2500)),
        ..Product::default()
    }
}

fn euros(minor_units: i64) -> Money {
    Money { currency_code: "EUR".to_owned(), minor_units }
}

fn create(sku: &str) -> CreateProductRequest {
    CreateProductRequest { sku: sku.to_owned(), product: Some(teapot()), ..CreateProductRequest::default() }
}

/// Without a mask.
fn update(sku: &str, product: Product) -> UpdateProductRequest {
    let product = Product { sku: sku.to_owned(), ..product };
    UpdateProductRequest { product: Some(product), ..UpdateProductRequest::default() }
}
