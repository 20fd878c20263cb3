//! All ways out of a process by which it tells how it is doing.

use std::collections::BTreeSet;

use mesh_tests::collector::Received;

/// Every process; in the order in which they may end, since who follows goes first.
pub(crate) const EVERYBODY: [&str; 7] =
    ["query-gateway", "shipping", "orders", "payments", "inventory", "catalog", "customers"];

/// What was told: by which process, on which way, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Outlets(Vec<(String, &'static str, Vec<u8>)>);

impl Outlets {
    /// By its admin port.
    pub(crate) fn scraped(&mut self, process: &str, text: String) {
        self.0.push((process.to_owned(), "scraped", text.into_bytes()));
    }

    /// To standard output and error.
    pub(crate) fn printed(&mut self, process: &str, text: String) {
        self.0.push((process.to_owned(), "printed", text.into_bytes()));
    }

    /// To a collector: spans, metrics and logs.
    pub(crate) fn received(&mut self, received: &Received) {
        self.0.extend(received.messages());
    }

    /// Who has told this text on this way.
    pub(crate) fn tellers(&self, kind: &str, text: &str) -> BTreeSet<&str> {
        let told = self.0.iter().filter(|(_, way, bytes)| *way == kind && find(bytes, text).is_some());
        told.map(|(process, ..)| process.as_str()).collect()
    }

    /// Wherever this word stands, with what is around it: in any case of letters, or as a list of its bytes.
    pub(crate) fn places(&self, word: &str) -> Vec<String> {
        let listed = word.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        let mut places = Vec::new();
        for (process, kind, bytes) in &self.0 {
            for word in [word, &listed] {
                let mut rest = &bytes[..];
                while let Some(at) = find(rest, word) {
                    let around = &rest[at.saturating_sub(160)..rest.len().min(at + 60)];
                    places.push(format!("{process} {kind}: {}", String::from_utf8_lossy(around)));
                    rest = &rest[at + word.len()..];
                }
            }
        }
        places
    }
}

fn find(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}
