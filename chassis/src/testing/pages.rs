//! Lists, page by page: what every list of every service has to do.

use tonic::{Code, Status};

use super::refused_fields;

/// The ids of a page, and the token of the next one.
pub type IdsOfPage = Result<(Vec<String>, String), Status>;

/// The list is `expected` in pages of every size, up to one that has room to spare.
pub async fn every_page_size_gives(expected: &[String], list: impl AsyncFn(i32, String) -> IdsOfPage) {
    for page_size in 1..=expected.len() + 1 {
        let (mut ids, mut token) = (Vec::new(), String::new());
        loop {
            let (page, next) = given(list(page_size as i32, token).await);
            assert!(page.len() <= page_size, "a page of {} for {page_size}", page.len());
            ids.extend(page);
            token = next;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(ids, expected, "pages of {page_size}");
    }
}

/// Of `count` items, a page has what is asked for, unless that is nothing or too much.
pub async fn sizes_have_a_default_and_a_most(count: i32, list: impl AsyncFn(i32, String) -> IdsOfPage) {
    for page_size in [0, 1, count - 1, count, 999, 1000, 1001, i32::MAX] {
        let (page, next) = given(list(page_size, String::new()).await);
        let wanted = if page_size == 0 { 50 } else { page_size.min(1000) };
        assert_eq!(page.len(), wanted.min(count) as usize, "{page_size}");
        assert_eq!(next.is_empty(), wanted >= count, "{page_size}");
    }
}

/// What cannot be a size or a token is refused by the name of its field.
pub async fn sizes_and_tokens_are_checked(list: impl AsyncFn(i32, String) -> IdsOfPage) {
    for (page_size, token, expected) in [
        (-1, "", &["page_size"][..]),
        (i32::MIN, "", &["page_size"]),
        (1, "nonsense", &["page_token"]),
        (-1, "?", &["page_size", "page_token"]),
    ] {
        match list(page_size, token.to_owned()).await {
            Ok(page) => panic!("{page_size} {token:?} is not refused: {page:?}"),
            Err(status) => {
                assert_eq!(status.code(), Code::InvalidArgument, "{page_size} {token:?}: {status}");
                assert_eq!(refused_fields(&status), expected, "{page_size} {token:?}: {status}");
            }
        }
    }
}

fn given(page: IdsOfPage) -> (Vec<String>, String) {
    page.unwrap_or_else(|status| panic!("no page: {status}"))
}
