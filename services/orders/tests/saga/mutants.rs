//! The defects that the suite must find: one that finds nothing proves nothing.

use orders::Mutant;

use super::{matrix::findings, shop::Shop};

/// Something of the kind is among what does not hold.
#[track_caller]
fn found(findings: &[String], what: &str) {
    assert!(findings.iter().any(|finding| finding.contains(what)), "{what}: {findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_undoes_again_is_found() {
    let shop = Shop::inside(None).await;
    shop.world.state().undo_not_idempotent = true;
    let (_, findings) = findings(&shop).await;
    found(&findings, "and its payment is");
    found(&findings, "teapot: Stock");
    found(&findings, "had 2 effects");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_that_is_not_derived_is_found() {
    let shop = Shop::inside(Some(Mutant::FreshRequestId)).await;
    let (_, findings) = findings(&shop).await;
    found(&findings, "was asked under 2 request ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_is_guessed_is_found() {
    let shop = Shop::inside(Some(Mutant::GuessedOutcome)).await;
    let (_, findings) = findings(&shop).await;
    // Forward: turned back without need. Backward: money and goods that nobody gave back.
    found(&findings, "ends Cancelled PaymentDeclined, not Confirmed");
    found(&findings, "and its payment is");
    found(&findings, "and its reservation is");
}
