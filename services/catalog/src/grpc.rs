//! Products on the wire: what the messages mean, and nothing else.

use std::collections::HashSet;

use shop_proto::{
    catalog::v1::{self as proto, catalog_server},
    money::v1 as money,
};
use tonic::{Request, Response, Status};
use tributary_chassis::{
    fault::Fault,
    outbox::{Call, Entity, Outbox, Published, Stored},
    resource::{self, Changes as _, UpdateMask},
    timestamp,
    validate::Violations,
};

use crate::{
    domain::{Catalog, Changes, Command, Money, PRODUCT, Product, WRITABLE},
    error::UnknownProducts,
    store::PRODUCTS,
};

/// How many products can be asked for at once.
const MAX_BATCH: usize = 256;

/// `shop.catalog.v1.Catalog`.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    outbox: Outbox<Catalog>,
}

impl Service {
    /// On top of the store.
    pub(crate) fn new(outbox: Outbox<Catalog>) -> Self {
        Self { outbox }
    }

    async fn write(&self, call: Call, command: Command) -> Result<Response<proto::Product>, Status> {
        let sku = command.id().clone();
        let respond = move |states: &_| message(&sku, resource::left(states, &sku));
        Ok(Response::new(self.outbox.execute(call, command, respond).await?))
    }
}

#[tonic::async_trait]
impl catalog_server::Catalog for Service {
    async fn create_product(
        &self,
        request: Request<proto::CreateProductRequest>,
    ) -> Result<Response<proto::Product>, Status> {
        let request = request.into_inner();
        let call = Call::new("CreateProduct", &request.request_id, &request)?;
        let product = request.product.unwrap_or_default();
        let mut violations = Violations::new();
        violations.optional_id("sku", &request.sku);
        violations.check(
            product.sku.is_empty() || product.sku == request.sku,
            "product.sku",
            "must be empty, or the same as sku",
        );
        let all = changes(product, &UpdateMask::all(&WRITABLE));
        all.check(&mut violations);
        violations.finish()?;
        let id = resource::id_or_new(request.sku);
        self.write(call, Command::Create { id, state: all.apply(Product::default()) }).await
    }

    async fn get_product(
        &self,
        request: Request<proto::GetProductRequest>,
    ) -> Result<Response<proto::Product>, Status> {
        let sku = request.into_inner().sku;
        let stored = PRODUCT.find(&self.outbox, "sku", &sku).await?;
        Ok(Response::new(message(&sku, &stored)))
    }

    async fn list_products(
        &self,
        request: Request<proto::ListProductsRequest>,
    ) -> Result<Response<proto::ListProductsResponse>, Status> {
        let proto::ListProductsRequest { page_size, page_token } = request.into_inner();
        let page = resource::page(&self.outbox, PRODUCTS, page_size, &page_token, message).await?;
        Ok(Response::new(proto::ListProductsResponse {
            products: page.items,
            next_page_token: page.next_page_token,
        }))
    }

    async fn batch_get_products(
        &self,
        request: Request<proto::BatchGetProductsRequest>,
    ) -> Result<Response<proto::BatchGetProductsResponse>, Status> {
        let skus = request.into_inner().skus;
        let mut violations = Violations::new();
        violations.count("skus", skus.len(), 1, MAX_BATCH);
        for (i, sku) in skus.iter().enumerate().take(MAX_BATCH) {
            violations.id(format!("skus[{i}]"), sku);
        }
        violations.finish()?;
        let (mut products, mut unknown, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for sku in skus.iter().filter(|sku| seen.insert(sku.as_str())) {
            match self.outbox.get(sku).await? {
                Some(stored) => products.push(message(sku, &stored)),
                None => unknown.push(sku.clone()),
            }
        }
        if !unknown.is_empty() {
            return Err(Fault::from(UnknownProducts(unknown)).into());
        }
        Ok(Response::new(proto::BatchGetProductsResponse { products }))
    }

    async fn update_product(
        &self,
        request: Request<proto::UpdateProductRequest>,
    ) -> Result<Response<proto::Product>, Status> {
        let request = request.into_inner();
        let call = Call::new("UpdateProduct", &request.request_id, &request)?;
        let mut product = request.product.unwrap_or_default();
        let (sku, etag) = (std::mem::take(&mut product.sku), std::mem::take(&mut product.etag));
        let mut violations = Violations::new();
        violations.id("product.sku", &sku);
        let mask = violations.take(UpdateMask::read(request.update_mask.as_ref(), &WRITABLE));
        let changes = mask.map(|mask| changes(product, &mask)).unwrap_or_default();
        changes.check(&mut violations);
        violations.finish()?;
        self.write(call, Command::Update { id: sku, etag, changes }).await
    }

    async fn delete_product(
        &self,
        request: Request<proto::DeleteProductRequest>,
    ) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        let call = Call::new("DeleteProduct", &request.request_id, &request)?;
        resource::check_id("sku", &request.sku)?;
        let command = Command::Delete { id: request.sku, etag: request.etag };
        Ok(Response::new(self.outbox.execute(call, command, |_| ()).await?))
    }
}

impl Published for Catalog {
    const ENTITIES: &'static [&'static str] = &[PRODUCTS];

    fn publish(sku: &String, stored: Option<&Stored<Product>>) -> Option<Entity> {
        let key_alone = || proto::Product { sku: sku.clone(), ..Default::default() };
        let product = stored.map_or_else(key_alone, |stored| message(sku, stored));
        Some(resource::entity(PRODUCTS, sku, &product))
    }
}

fn message(sku: &str, stored: &Stored<Product>) -> proto::Product {
    let Product { display_name, category, price } = stored.state.clone();
    let Money { currency_code, minor_units } = price;
    proto::Product {
        sku: sku.to_owned(),
        display_name,
        category,
        price: Some(money::Money { currency_code, minor_units }),
        create_time: Some(timestamp::to_proto(stored.create_time)),
        update_time: Some(timestamp::to_proto(stored.update_time)),
        etag: stored.etag(),
    }
}

/// A price that is left out is one without a currency, which is refused.
fn changes(product: proto::Product, mask: &UpdateMask) -> Changes {
    let money::Money { currency_code, minor_units } = product.price.unwrap_or_default();
    Changes {
        display_name: mask.pick("display_name", product.display_name),
        category: mask.pick("category", product.category),
        price: mask.pick("price", Money { currency_code, minor_units }),
    }
}
