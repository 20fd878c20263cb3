//! Pages of a list: their size, and the token that continues behind the last row of one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::fault::Fault;

/// Rows of a page when the caller does not say.
pub const DEFAULT_PAGE_SIZE: usize = 50;
/// Most rows of a page; who asks for more gets this many.
pub const MAX_PAGE_SIZE: usize = 1000;

/// First byte of a token. A token of another version is refused rather than misread.
const VERSION: u8 = 1;
/// Bytes of the digest that ties a token to its list.
const SCOPE_BYTES: usize = 4;
/// Longest token that is looked at.
const MAX_TOKEN: usize = 1024;

/// The number of rows to return for `page_size` of a request: 0 is the default, too many is the most.
pub fn page_size(requested: i32) -> Result<usize, Fault> {
    match usize::try_from(requested) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(MAX_PAGE_SIZE)),
        Err(_) => Err(Fault::field(
            "page_size",
            format!("is {requested}: give 1 to {MAX_PAGE_SIZE}, or 0 for {DEFAULT_PAGE_SIZE}"),
        )),
    }
}

/// Where the next page begins: behind a key of one list. Opaque to callers.
///
/// As bytes: version, digest of the list's name, key. `list` names what is listed with all that filters
/// it, so that a token is not taken for another list's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Key of the last row that the caller has.
    pub after: String,
}

impl Token {
    /// The token of a page that ended with the row of key `after`.
    pub fn new(after: impl Into<String>) -> Self {
        Self { after: after.into() }
    }

    /// As `next_page_token`.
    pub fn encode(&self, list: &str) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(scope(list));
        bytes.extend(self.after.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// From `page_token`; `None` when it is empty, which is the first page.
    pub fn decode(list: &str, token: &str) -> Result<Option<Self>, Fault> {
        if token.is_empty() {
            return Ok(None);
        }
        let after = (token.len() <= MAX_TOKEN)
            .then(|| URL_SAFE_NO_PAD.decode(token).ok())
            .flatten()
            .and_then(|bytes| {
                let (version, rest) = bytes.split_first()?;
                let (digest, after) = rest.split_at_checked(SCOPE_BYTES)?;
                (*version == VERSION && digest == scope(list)).then(|| after.to_vec())
            })
            .and_then(|after| String::from_utf8(after).ok());
        match after {
            Some(after) => Ok(Some(Self { after })),
            None => Err(Fault::field(
                "page_token",
                "not a token of this list: pass next_page_token of the page before, or nothing to begin",
            )),
        }
    }
}

fn scope(list: &str) -> [u8; SCOPE_BYTES] {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(list.as_bytes()));
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_default_and_a_most() {
        for (requested, size) in [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (i32::MAX, 1000)] {
            assert_eq!(page_size(requested).unwrap(), size);
        }
        assert!(page_size(-1).unwrap_err().message().starts_with("page_size: is -1"));
    }

    #[test]
    fn a_token_comes_back_as_it_was() {
        for after in ["", "a", "äöü/\0"] {
            let token = Token::new(after);
            assert_eq!(Token::decode("list", &token.encode("list")).unwrap(), Some(token));
        }
        assert_eq!(Token::decode("list", "").unwrap(), None);
    }

    #[test]
    fn other_tokens_are_faults_of_the_field() {
        let of_another_list = Token::new("a").encode("other");
        let of_another_version = URL_SAFE_NO_PAD.encode([2, 0, 0, 0, 0, b'a']);
        let too_long = Token::new("a".repeat(MAX_TOKEN)).encode("list");
        let not_text = {
            let mut bytes = vec![VERSION];
            bytes.extend(scope("list"));
            bytes.push(0xff);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        for token in ["?", "AA", &of_another_list, &of_another_version, &too_long, &not_text] {
            let fault = Token::decode("list", token).unwrap_err();
            assert!(fault.message().starts_with("page_token: "), "{token}");
        }
    }
}
