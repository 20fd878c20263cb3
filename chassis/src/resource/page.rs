//! Cuts a list into pages.

use std::fmt::Display;

use prost::Message;

use crate::{
    fault::Fault,
    outbox::{Outbox, Published, Stored},
    paging::{Token, page_size},
    validate::Violations,
};

/// Rows read at once: a page of many large rows is never in memory whole.
const CHUNK: usize = 64;
/// A page is complete when it is this large, so that clients, which take 4 MiB, can take it.
const PAGE_BYTES: usize = 1024 * 1024;

/// A part of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// In order of key.
    pub items: Vec<T>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// The page of `collection` that a standard list request asks for, each row as `show` turns it into a
/// message. Keys display as the ids that callers know.
pub async fn page<M, T>(
    outbox: &Outbox<M>,
    collection: &str,
    size: i32,
    token: &str,
    show: impl Fn(&str, &Stored<M::State>) -> T,
) -> Result<Page<T>, Fault>
where
    M: Published<Key: Display>,
    T: Message,
{
    let mut violations = Violations::new();
    let size = violations.take(page_size(size)).unwrap_or_default();
    let token = violations.take(Token::decode(collection, token)).flatten();
    violations.finish()?;

    let mut after = token.map(|token| token.after);
    let (mut items, mut bytes) = (Vec::new(), 0);
    loop {
        // One row more than fits tells whether there is another page.
        let limit = CHUNK.min(size - items.len() + 1);
        let rows = outbox.list(collection, after.as_deref(), limit).await?;
        let is_end = rows.len() < limit;
        for (key, stored) in rows {
            if items.len() == size || bytes >= PAGE_BYTES {
                let next = after.map(Token::new).map(|token| token.encode(collection));
                return Ok(Page { items, next_page_token: next.unwrap_or_default() });
            }
            let id = key.to_string();
            let item = show(&id, &stored);
            bytes += item.encoded_len();
            items.push(item);
            after = Some(id);
        }
        if is_end {
            return Ok(Page { items, next_page_token: String::new() });
        }
    }
}
