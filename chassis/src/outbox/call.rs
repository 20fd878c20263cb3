//! What is asked, apart from the command itself: the request id, and how one request is told from another.

use prost::Message;
use sha2::{Digest as _, Sha256};

use crate::{fault::Fault, trace::Trace};

/// Longest request id, in bytes.
pub const REQUEST_ID_LIMIT: usize = 64;

/// One call of a method that writes.
#[derive(Clone, Debug)]
pub struct Call {
    pub(super) request_id: String,
    pub(super) digest: [u8; 32],
    pub(super) trace: Trace,
}

impl Call {
    /// A call of `method` by `request`, in the trace of the current span. An empty request id makes it one
    /// of a kind: a repetition is a new call.
    ///
    /// The digest covers the method and the encoded request, which must be canonical: a request message
    /// may not contain maps, whose order changes from one encoding to the next.
    pub fn new(method: &'static str, request_id: &str, request: &impl Message) -> Result<Self, Fault> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if request_id.len() > REQUEST_ID_LIMIT || !request_id.bytes().all(plain) {
            let rule = format!("must be at most {REQUEST_ID_LIMIT} of A-Z, a-z, 0-9, `.`, `_` and `-`");
            return Err(Fault::field("request_id", rule));
        }
        let mut hash = Sha256::new();
        hash.update((method.len() as u32).to_be_bytes());
        hash.update(method);
        hash.update(request.encode_to_vec());
        Ok(Self {
            request_id: request_id.to_owned(),
            digest: hash.finalize().into(),
            trace: Trace::current(),
        })
    }

    /// A call that nobody made: what a change elsewhere gives to do here.
    pub(super) fn caused(trace: Trace) -> Self {
        Self { request_id: String::new(), digest: [0; 32], trace }
    }

    /// The request id, where the call has one.
    pub(super) fn id(&self) -> Option<&str> {
        (!self.request_id.is_empty()).then_some(self.request_id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::{
        Context,
        trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
    };

    use super::*;
    use crate::fault::Reason;

    fn call(method: &'static str, request_id: &str, text: &str) -> Result<Call, Fault> {
        Call::new(method, request_id, &text.to_owned())
    }

    #[test]
    fn request_ids_are_held_to_their_alphabet_and_limit() {
        for good in ["", "a", "A.z_0-9", &"x".repeat(REQUEST_ID_LIMIT)] {
            assert!(call("m", good, "").is_ok(), "{good}");
        }
        for bad in [" ", "a b", "é", "a/b", &"x".repeat(REQUEST_ID_LIMIT + 1)] {
            assert_eq!(call("m", bad, "").unwrap_err().reason(), Reason::InvalidRequest, "{bad}");
        }
    }

    #[test]
    fn the_digest_tells_requests_and_methods_apart() {
        let digest = |method, text| call(method, "r", text).unwrap().digest;
        assert_eq!(digest("m", "a"), digest("m", "a"));
        assert_ne!(digest("m", "a"), digest("m", "b"));
        assert_ne!(digest("m", "a"), digest("n", "a"));
        assert_ne!(digest("ma", ""), digest("m", "a"));
    }

    #[test]
    fn a_call_carries_the_current_trace() {
        assert_eq!(call("m", "", "").unwrap().trace.parent, "");
        let state = TraceState::from_key_value([("vendor", "1")]).unwrap();
        let span = SpanContext::new(TraceId::from(7), SpanId::from(9), TraceFlags::SAMPLED, true, state);
        let _entered = Context::new().with_remote_span_context(span).attach();
        let trace = call("m", "", "").unwrap().trace;
        assert_eq!(trace.parent, "00-00000000000000000000000000000007-0000000000000009-01");
        assert_eq!(trace.state, "vendor=1");
    }
}
