//! Request ids that follow from what is asked: whoever sends the same again, on any machine and at any
//! time, has no second effect.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// How much of the digest is kept, in bytes: enough for no two requests ever to share it.
const LENGTH: usize = 16;

/// The request with its `request_id`: `origin`, which says to people where it comes from, and a digest of
/// method and content.
pub(crate) fn stamped(origin: &str, call: &str, request: &Map<String, Value>) -> Map<String, Value> {
    let mut request = request.clone();
    let content = Value::Object(request.clone()).to_string();
    let digest = Sha256::digest(format!("{call}\n{content}"));
    let id: String = digest.iter().take(LENGTH).map(|byte| format!("{byte:02x}")).collect();
    request.insert("request_id".to_owned(), format!("{origin}-{id}").into());
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id(call: &str, content: i64) -> String {
        let request = Map::from_iter([("content".to_owned(), json!(content))]);
        stamped("test", call, &request)["request_id"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_same_request_has_the_same_id_and_any_other_has_another() {
        assert_eq!(id("a.B/C", 1), id("a.B/C", 1));
        assert_ne!(id("a.B/C", 1), id("a.B/C", 2));
        assert_ne!(id("a.B/C", 1), id("a.B/D", 1));
    }

    #[test]
    fn an_id_is_one_that_services_take() {
        let id = id("a.B/C", 1);
        assert!(id.starts_with("test-") && id.len() <= 64, "{id}");
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{id}");
    }
}
