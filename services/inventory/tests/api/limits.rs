//! The largest of everything.

use prost::Message as _;
use tributary_chassis::MAX_MESSAGE_BYTES;

use super::*;

const LINES: i64 = 256;
const MOST: i64 = 1_000_000;

/// As long as skus can be, none like another.
fn skus() -> Vec<String> {
    (0..LINES).map(|i| format!("{i:064}")).collect()
}

fn largest(skus: &[String]) -> ReserveRequest {
    let lines: Vec<(&str, i64)> = skus.iter().map(|sku| (sku.as_str(), MOST)).collect();
    ReserveRequest { request_id: "r".repeat(64), ..reserve(&"o".repeat(64), &lines) }
}

#[tokio::test]
async fn the_largest_reservation_goes_all_its_ways() {
    let service = Service::start().await;
    let (skus, id) = (skus(), "o".repeat(64));
    for sku in &skus {
        service.create(create(sku, MOST)).await.unwrap();
    }
    let held = service.reserve(largest(&skus)).await.unwrap();
    assert_eq!(held.state(), ReservationState::Held);
    let lines: Vec<_> = held.lines.iter().map(|l| (l.sku.clone(), l.quantity, l.managed)).collect();
    assert_eq!(lines, skus.iter().map(|sku| (sku.clone(), MOST, true)).collect::<Vec<_>>());
    assert_eq!(service.reservation(&id).await.unwrap(), held);

    let service = service.restart().await;
    assert_eq!(service.reservation(&id).await.unwrap(), held);
    assert_eq!(service.reserve(largest(&skus)).await.unwrap(), held);
    let again = ReserveRequest { request_id: String::new(), ..largest(&skus) };
    assert_eq!(service.reserve(again).await.unwrap(), held);
    let committed = service.commit(commit(&id)).await.unwrap();
    assert_eq!((committed.state(), &committed.lines), (ReservationState::Committed, &held.lines));
    for sku in &skus {
        assert_eq!(service.stock(sku).await, (0, 0, 0), "{sku}");
    }
    let released = service.release(release(&id)).await.unwrap();
    assert_eq!((released.state(), &released.lines), (ReservationState::Released, &held.lines));
    for sku in &skus {
        assert_eq!(service.stock(sku).await, (MOST, 0, MOST), "{sku}");
    }
}

#[tokio::test]
async fn the_largest_reservation_expires() {
    let service = Service::start_with("50ms").await;
    let skus = skus();
    for sku in &skus {
        service.create(create(sku, MOST)).await.unwrap();
    }
    let held = service.reserve(largest(&skus)).await.unwrap();
    assert_eq!(service.expired(&held.reservation_id).await.lines, held.lines);
    for sku in &skus {
        assert_eq!(service.stock(sku).await, (MOST, 0, MOST), "{sku}");
    }
}

/// The last line, in the part behind, is compared as well.
#[tokio::test]
async fn the_largest_reservation_is_known_to_its_last_line() {
    let service = Service::start().await;
    let skus = skus();
    service.reserve(largest(&skus)).await.unwrap();
    let mut other = ReserveRequest { request_id: String::new(), ..largest(&skus) };
    other.lines.last_mut().unwrap().quantity -= 1;
    assert_eq!(refusal(service.reserve(other.clone()).await).0, Code::AlreadyExists);
    other.lines.pop();
    assert_eq!(refusal(service.reserve(other).await).0, Code::AlreadyExists);
}

/// Errors travel in headers, which are bounded: the longest must still arrive.
#[tokio::test]
async fn the_longest_refusals_arrive() {
    let service = Service::start().await;
    let skus = skus();
    for sku in &skus {
        service.create(create(sku, 0)).await.unwrap();
    }
    let status = service.reserve(largest(&skus)).await.unwrap_err();
    assert!(status.message().contains(", and 246 more for reservation"), "{status}");
    assert_eq!(refused::<()>(Err(status)), out_of_stock(&skus[..10].join(",")));
    let malformed: Vec<String> = vec!["?".repeat(3_000); LINES as usize];
    assert_eq!(refusal(service.reserve(largest(&malformed)).await).0, Code::InvalidArgument);
}

/// At the limit it is looked at, and refused for what it says; one more byte is not taken at all.
#[tokio::test]
async fn a_request_has_a_size() {
    let service = Service::start().await;
    let padded = |bytes: usize| {
        let request = |sku: &str| reserve("o-1", &[(sku, 1)]);
        let frame = request(&"s".repeat(bytes / 2)).encoded_len() - bytes / 2;
        let request = request(&"s".repeat(bytes - frame));
        assert_eq!(request.encoded_len(), bytes);
        request
    };
    assert_eq!(refusal(service.reserve(padded(MAX_MESSAGE_BYTES)).await).0, Code::InvalidArgument);
    assert_eq!(refusal(service.reserve(padded(MAX_MESSAGE_BYTES + 1)).await).0, Code::ResourceExhausted);
}
