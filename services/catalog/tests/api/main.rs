//! The catalog service as its callers see it: real gRPC, a real store in a temporary directory.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod batch;
mod feed;
mod fields;
mod life;
mod pages;
mod repetition;

use std::path::Path;

use catalog::Config;
use clap::Parser as _;
use shop_proto::catalog::v1::{
    CreateProductRequest, DeleteProductRequest, GetProductRequest, Product, UpdateProductRequest,
    catalog_client::CatalogClient,
};
use shop_proto::money::v1::Money;
use tempfile::TempDir;
use tonic::{Code, Status, transport::Channel};
use tributary_chassis::{
    fault::Reason,
    testing::{Running, refusal},
};

type Client = CatalogClient<Channel>;

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

    async fn create(&self, request: CreateProductRequest) -> Result<Product, Status> {
        Ok(self.client.clone().create_product(request).await?.into_inner())
    }

    async fn update(&self, request: UpdateProductRequest) -> Result<Product, Status> {
        Ok(self.client.clone().update_product(request).await?.into_inner())
    }

    async fn delete(&self, request: DeleteProductRequest) -> Result<(), Status> {
        self.client.clone().delete_product(request).await?;
        Ok(())
    }

    async fn get(&self, sku: &str) -> Result<Product, Status> {
        let request = GetProductRequest { sku: sku.to_owned() };
        Ok(self.client.clone().get_product(request).await?.into_inner())
    }
}

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

fn delete(sku: &str, etag: &str) -> DeleteProductRequest {
    DeleteProductRequest { sku: sku.to_owned(), etag: etag.to_owned(), ..DeleteProductRequest::default() }
}
