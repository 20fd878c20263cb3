//! Lists, page by page.

use super::{StandardMethods, accepted, created};
use crate::testing::pages;

/// In order of id.
pub async fn every_page_size_gives_the_same_list<S: StandardMethods>() {
    let service = S::start().await;
    pages::every_page_size_gives(&[], async |size, token| service.list(size, token).await).await;
    for i in [4, 0, 6, 2, 1, 5, 3] {
        created(&service, &format!("c-{i}")).await;
    }
    let expected: Vec<String> = (0..7).map(|i| format!("c-{i}")).collect();
    pages::every_page_size_gives(&expected, async |size, token| service.list(size, token).await).await;
}

/// See [`pages::sizes_have_a_default_and_a_most`].
pub async fn sizes_have_a_default_and_a_most<S: StandardMethods>() {
    let service = S::start().await;
    for i in 0..120 {
        created(&service, &format!("c-{i:03}")).await;
    }
    pages::sizes_have_a_default_and_a_most(120, async |size, token| service.list(size, token).await).await;
}

/// And what was created before them does not come in between.
pub async fn pages_go_on_behind_what_was_deleted<S: StandardMethods>() {
    let service = S::start().await;
    for id in ["a", "b", "c"] {
        created(&service, id).await;
    }
    let (_, next) = accepted(service.list(1, String::new()).await);
    accepted(service.delete("", "a", "").await);
    created(&service, "0").await;
    assert_eq!(accepted(service.list(1, next).await).0, ["b"]);
}

/// See [`pages::sizes_and_tokens_are_checked`].
pub async fn sizes_and_tokens_are_checked<S: StandardMethods>() {
    let service = S::start().await;
    pages::sizes_and_tokens_are_checked(async |size, token| service.list(size, token).await).await;
}
