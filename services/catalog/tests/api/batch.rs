//! Several products at once.

use shop_proto::catalog::v1::BatchGetProductsRequest;
use tonic_types::StatusExt as _;
use tributary_chassis::testing::refused_fields;

use super::*;

async fn batch(service: &Service, skus: &[String]) -> Result<Vec<String>, Status> {
    let request = BatchGetProductsRequest { skus: skus.to_vec() };
    let products = service.client().batch_get_products(request).await?.into_inner().products;
    Ok(products.into_iter().map(|product| product.sku).collect())
}

fn skus(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("p-{i:03}")).collect()
}

#[tokio::test]
async fn products_come_in_the_order_asked_for_and_each_once() {
    let service = Service::start().await;
    for sku in ["a", "b", "c"] {
        service.client().create_product(create(sku)).await.unwrap();
    }
    let asked = ["c", "a", "c", "a"].map(str::to_owned);
    assert_eq!(batch(&service, &asked).await.unwrap(), ["c", "a"]);
}

#[tokio::test]
async fn a_batch_has_bounds() {
    let service = Service::start().await;
    let all = skus(256);
    for sku in &all {
        service.client().create_product(create(sku)).await.unwrap();
    }
    assert_eq!(batch(&service, &all).await.unwrap(), all);
    for skus in [skus(0), skus(257)] {
        let status = batch(&service, &skus).await.unwrap_err();
        assert_eq!(
            (status.code(), refused_fields(&status)),
            (Code::InvalidArgument, vec!["skus".to_owned()])
        );
    }
    let status = batch(&service, &["a".to_owned(), "b c".to_owned()]).await.unwrap_err();
    assert_eq!(refused_fields(&status), ["skus[1]"]);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let service = Service::start().await;
    service.client().create_product(create("p-001")).await.unwrap();
    let status = batch(&service, &skus(3)).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "these products do not exist: `p-000`, `p-002`")
    );
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["skus"], "p-000,p-002");
}

/// Errors travel in headers, which are bounded: the longest must still arrive.
#[tokio::test]
async fn the_longest_refusals_arrive() {
    let service = Service::start().await;
    let missing: Vec<String> = (0..256).map(|i| format!("{i:064}")).collect();
    assert_eq!(batch(&service, &missing).await.unwrap_err().code(), Code::NotFound);
    let malformed = vec!["?".repeat(4_000); 256];
    assert_eq!(batch(&service, &malformed).await.unwrap_err().code(), Code::InvalidArgument);
}
