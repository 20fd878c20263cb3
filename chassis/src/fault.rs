//! Everything that a caller can be told went wrong: a small closed set of reasons, mapped to gRPC codes
//! in one place.

use std::{error::Error, fmt, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of every `google.rpc.ErrorInfo` that Tributary sends.
pub const ERROR_DOMAIN: &str = "tributary";

/// How many wrong fields are named: an error travels in headers, which clients take up to 16 KiB of.
pub const MAX_VIOLATIONS: usize = 16;

/// Why a call failed. Deliberately few: add one only where a caller would act differently on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The request cannot be right, whatever the state.
    InvalidRequest,
    /// This request id was used with another request.
    RequestIdReused,
    /// What the request names does not exist.
    NotFound,
    /// What the request would create exists.
    AlreadyExists,
    /// The etag is not the current one.
    EtagMismatch,
    /// The request is right, but not in the state that things are in.
    WrongState,
    /// The position is not part of this history.
    HistoryDiverged,
    /// The position is older than what is still kept.
    PositionExpired,
    /// A subscriber did not read for too long.
    SubscriberStalled,
    /// More than a limit allows.
    LimitExceeded,
    /// Too much at once; try again after a while.
    Overloaded,
    /// Something that the call needs is not there now; try again after a while.
    Unavailable,
    /// Time was up.
    DeadlineExceeded,
    /// The server is about to stop.
    Draining,
    /// It may or may not have happened: ask again under the same request id.
    OutcomeUnknown,
    /// There is no such method, or not yet.
    Unimplemented,
    /// A defect of ours; the text stays in the log.
    Internal,
}

impl Reason {
    /// Every reason, for tests that must not miss one.
    pub const ALL: [Reason; 17] = [
        Reason::InvalidRequest,
        Reason::RequestIdReused,
        Reason::NotFound,
        Reason::AlreadyExists,
        Reason::EtagMismatch,
        Reason::WrongState,
        Reason::HistoryDiverged,
        Reason::PositionExpired,
        Reason::SubscriberStalled,
        Reason::LimitExceeded,
        Reason::Overloaded,
        Reason::Unavailable,
        Reason::DeadlineExceeded,
        Reason::Draining,
        Reason::OutcomeUnknown,
        Reason::Unimplemented,
        Reason::Internal,
    ];

    /// The one mapping to gRPC codes.
    pub fn code(self) -> Code {
        match self {
            Reason::InvalidRequest | Reason::RequestIdReused => Code::InvalidArgument,
            Reason::NotFound => Code::NotFound,
            Reason::AlreadyExists => Code::AlreadyExists,
            Reason::EtagMismatch => Code::Aborted,
            Reason::WrongState | Reason::HistoryDiverged => Code::FailedPrecondition,
            Reason::PositionExpired => Code::OutOfRange,
            Reason::SubscriberStalled | Reason::LimitExceeded | Reason::Overloaded => Code::ResourceExhausted,
            Reason::Unavailable | Reason::Draining => Code::Unavailable,
            Reason::DeadlineExceeded => Code::DeadlineExceeded,
            Reason::OutcomeUnknown => Code::Unknown,
            Reason::Unimplemented => Code::Unimplemented,
            Reason::Internal => Code::Internal,
        }
    }

    /// The name on the wire, in `google.rpc.ErrorInfo.reason`; a contract.
    pub fn name(self) -> &'static str {
        match self {
            Reason::InvalidRequest => "INVALID_REQUEST",
            Reason::RequestIdReused => "REQUEST_ID_REUSED",
            Reason::NotFound => "NOT_FOUND",
            Reason::AlreadyExists => "ALREADY_EXISTS",
            Reason::EtagMismatch => "ETAG_MISMATCH",
            Reason::WrongState => "WRONG_STATE",
            Reason::HistoryDiverged => "HISTORY_DIVERGED",
            Reason::PositionExpired => "POSITION_EXPIRED",
            Reason::SubscriberStalled => "SUBSCRIBER_STALLED",
            Reason::LimitExceeded => "LIMIT_EXCEEDED",
            Reason::Overloaded => "OVERLOADED",
            Reason::Unavailable => "UNAVAILABLE",
            Reason::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Reason::Draining => "DRAINING",
            Reason::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Reason::Unimplemented => "UNIMPLEMENTED",
            Reason::Internal => "INTERNAL",
        }
    }

    /// The reason in the details of a status, if it is one of ours.
    pub fn of(status: &Status) -> Option<Reason> {
        let info = status.get_error_details().error_info().cloned()?;
        (info.domain == ERROR_DOMAIN).then(|| Reason::ALL.into_iter().find(|r| r.name() == info.reason))?
    }
}

/// A call that failed: the reason, a text that says what to change, and what only the log gets to see.
#[derive(Debug)]
pub struct Fault(Box<Parts>);

#[derive(Debug)]
struct Parts {
    reason: Reason,
    message: String,
    violations: Vec<(String, String)>,
    metadata: Vec<(String, String)>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// `message` is shown to the caller: it says what is wrong and what to change.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            reason,
            message: message.into(),
            violations: Vec::new(),
            metadata: Vec::new(),
            retry_after: None,
            source: None,
        }))
    }

    /// One field that is wrong, and how.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::fields(vec![(field.into(), description.into())])
    }

    /// Every field that is wrong, each with how; of many the first [`MAX_VIOLATIONS`].
    pub fn fields(mut violations: Vec<(String, String)>) -> Self {
        let more = violations.len().saturating_sub(MAX_VIOLATIONS);
        violations.truncate(MAX_VIOLATIONS);
        let mut text: Vec<String> = violations.iter().map(|(field, why)| format!("{field}: {why}")).collect();
        if more > 0 {
            text.push(format!("and {more} more"));
        }
        let mut fault = Self::new(Reason::InvalidRequest, text.join("; "));
        fault.0.violations = violations;
        fault
    }

    /// A defect of ours while doing `operation`; the caller sees the operation alone.
    pub fn internal(operation: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Reason::Internal, format!("{operation} failed")).with_source(source)
    }

    /// What the log gets to see.
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// When it is worth to try again.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// A machine-readable detail, in `ErrorInfo.metadata`.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.metadata.push((key.into(), value.into()));
        self
    }

    /// The fields that are wrong; a fault of none of them is one of the request as a whole.
    pub(crate) fn into_violations(self) -> Vec<(String, String)> {
        let Parts { violations, message, .. } = *self.0;
        if violations.is_empty() { vec![("request".to_owned(), message)] } else { violations }
    }

    /// Why it failed.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// What the caller is told.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let Parts { reason, message, violations, metadata, retry_after, source } = *fault.0;
        if let Some(source) = source {
            let causes = crate::fault::causes(&*source);
            if reason == Reason::Internal {
                tracing::error!(%message, causes, "call failed");
            } else {
                tracing::debug!(%message, causes, reason = reason.name(), "call failed");
            }
        }
        let mut details = ErrorDetails::new();
        details.set_error_info(
            reason.name(),
            ERROR_DOMAIN,
            metadata.into_iter().collect::<std::collections::HashMap<_, _>>(),
        );
        for (field, description) in violations {
            details.add_bad_request_violation(field, description);
        }
        if let Some(delay) = retry_after {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(reason.code(), message, details)
    }
}

/// An error and all its sources, in one line.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_the_wire() {
        for reason in Reason::ALL {
            let status = Status::from(Fault::new(reason, "text"));
            assert_eq!((status.code(), Reason::of(&status)), (reason.code(), Some(reason)));
        }
    }

    #[test]
    fn of_many_wrong_fields_the_first_are_named() {
        let fault =
            |count| Fault::fields((0..count).map(|i| (format!("f{i}"), "wrong".to_owned())).collect());
        assert!(fault(MAX_VIOLATIONS).message().ends_with("f15: wrong"));
        assert!(fault(MAX_VIOLATIONS + 2).message().ends_with("f15: wrong; and 2 more"));
        let violations = Status::from(fault(1_000)).get_error_details().bad_request().cloned();
        assert_eq!(violations.map(|bad| bad.field_violations.len()), Some(MAX_VIOLATIONS));
    }

    #[test]
    fn the_caller_never_sees_the_source() {
        let status = Status::from(Fault::internal("reading the order", "disk on fire"));
        assert_eq!(status.message(), "reading the order failed");
        assert!(!String::from_utf8_lossy(status.details()).contains("fire"));
    }
}
