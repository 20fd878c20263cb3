//! What nobody commits in time.

use super::*;

/// Over before anybody can wait for it.
const SHORT: &str = "50ms";

#[tokio::test]
async fn what_nobody_commits_is_given_back() {
    let service = Service::start_with(SHORT).await;
    service.create(create("saw", 5)).await.unwrap();
    let held = service.reserve(reserve("o-1", &[("saw", 5)])).await.unwrap();
    let expired = service.expired("o-1").await;
    assert_eq!((&expired.lines, expired.expire_time), (&held.lines, held.expire_time));
    assert!(at(expired.update_time) >= at(expired.expire_time), "not before its time: {expired:?}");
    assert_eq!(service.stock("saw").await, (5, 0, 5));
    // It is kept, and what is asked again is answered as it is.
    assert_eq!(service.reserve(reserve("o-1", &[("saw", 5)])).await.unwrap(), expired);
}

#[tokio::test]
async fn what_expired_can_still_be_committed() {
    let service = Service::start_with(SHORT).await;
    service.create(create("saw", 5)).await.unwrap();
    service.reserve(reserve("o-1", &[("saw", 3)])).await.unwrap();
    service.expired("o-1").await;
    let committed = service.commit(commit("o-1")).await.unwrap();
    assert_eq!(committed.state(), ReservationState::Committed);
    assert_eq!(service.stock("saw").await, (2, 0, 2));
    service.release(release("o-1")).await.unwrap();
    assert_eq!(service.stock("saw").await, (5, 0, 5));
}

#[tokio::test]
async fn but_not_once_it_is_sold_to_others() {
    let service = Service::start_with(SHORT).await;
    service.create(create("saw", 5)).await.unwrap();
    service.reserve(reserve("late", &[("saw", 3)])).await.unwrap();
    service.expired("late").await;
    let service = service.restart().await;
    service.reserve(reserve("quick", &[("saw", 3)])).await.unwrap();
    assert_eq!(refused(service.commit(commit("late")).await), out_of_stock("saw"));
    assert_eq!(service.reservation("late").await.unwrap().state(), ReservationState::Expired);
    service.commit(commit("quick")).await.unwrap();
    service.receive(receive("saw", 1)).await.unwrap();
    service.commit(commit("late")).await.unwrap();
    assert_eq!(service.stock("saw").await, (0, 0, 0));
}

#[tokio::test]
async fn what_expired_can_be_released() {
    let service = Service::start_with(SHORT).await;
    service.create(create("saw", 5)).await.unwrap();
    service.reserve(reserve("o-1", &[("saw", 3)])).await.unwrap();
    service.expired("o-1").await;
    let released = service.release(release("o-1")).await.unwrap();
    assert_eq!(released.state(), ReservationState::Released);
    assert_eq!(service.stock("saw").await, (5, 0, 5));
}

/// Others that were made at the same time, or after, show that its time was over and looked at.
#[tokio::test]
async fn what_was_committed_or_released_does_not_expire() {
    // Long enough to be committed in, on a machine that does other things as well.
    let service = Service::start_with("2s").await;
    service.create(create("saw", 9)).await.unwrap();
    for id in ["committed", "released", "expires"] {
        service.reserve(reserve(id, &[("saw", 1)])).await.unwrap();
    }
    let committed = service.commit(commit("committed")).await.unwrap();
    let released = service.release(release("released")).await.unwrap();
    service.expired("expires").await;
    assert_eq!(service.reservation("committed").await.unwrap(), committed);
    assert_eq!(service.reservation("released").await.unwrap(), released);
    assert_eq!(service.stock("saw").await, (8, 0, 8));
}

/// Nobody asks for it again, but the service itself.
#[tokio::test]
async fn a_start_goes_on_with_what_was_held() {
    let service = Service::start_with("1s").await;
    service.create(create("saw", 5)).await.unwrap();
    service.reserve(reserve("o-1", &[("saw", 3)])).await.unwrap();
    let service = service.restart().await;
    service.expired("o-1").await;
    assert_eq!(service.stock("saw").await, (5, 0, 5));
}
