//! Why a command ended without success, and the exit code that says so.

use std::{error::Error, fmt::Write as _, io, process::ExitCode};

use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tributary_chassis::fault::Reason;

use crate::terminal;

const FAILURE: u8 = 1;
/// `EX_USAGE` of sysexits.h, as the servers have it.
const USAGE: u8 = 64;
/// 128 + SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

/// What is said on stderr, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    /// Empty if all was said before.
    message: String,
}

impl Failure {
    /// Something did not work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILURE, message: message.into() }
    }

    /// What cannot happen; if it does, it is not passed over.
    pub(crate) fn defect(error: impl std::fmt::Display) -> Self {
        Self::failed(format!("a defect of this program: {error}"))
    }

    /// The command line cannot be right.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }

    /// The answer itself says what is wrong.
    pub(crate) fn silent() -> Self {
        Self::failed("")
    }

    /// Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self { code: INTERRUPTED, message: String::new() }
    }

    /// A call that `server` refused, or that never reached it.
    pub(crate) fn call(server: &str, status: &Status) -> Self {
        Self::failed(explain(server, status))
    }

    /// With a further line that says what to do.
    pub(crate) fn with_advice(mut self, advice: &str) -> Self {
        let _ = write!(self.message, "\n  {advice}");
        self
    }

    /// Says why on stderr.
    pub(crate) fn report(self) -> ExitCode {
        if !self.message.is_empty() {
            terminal::say(&format!("{} {}", terminal::red("error:"), self.message));
        }
        ExitCode::from(self.code)
    }
}

impl From<io::Error> for Failure {
    /// Whoever reads stdout may stop when it has seen enough (`| head`): that is success.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { code: 0, message: String::new() },
            _ => Self::failed(format!("the answer cannot be written: {error}")),
        }
    }
}

/// clap prints help and errors well; its exit code for bad usage is 2, ours is that of the servers.
pub(crate) fn of_parsing(error: &clap::Error) -> ExitCode {
    if error.print().is_err() {
        return ExitCode::from(FAILURE);
    }
    ExitCode::from(if error.use_stderr() { USAGE } else { 0 })
}

/// Code, reason, text, each field that is wrong, and what to do.
fn explain(server: &str, status: &Status) -> String {
    if status.code() == Code::Unavailable && status.source().is_some() {
        let (program, cause) = (terminal::program(), root_cause(status));
        return format!(
            "{server} does not answer: {cause}\n  is the mesh up? start it with `{program} up`, see it with `{program} status`"
        );
    }
    let details = status.get_error_details();
    let mut text = code_name(status.code());
    if let Some(info) = details.error_info() {
        let _ = write!(text, " ({})", terminal::printable(&info.reason));
    }
    let _ = write!(text, " from {server}");
    let violations = details.bad_request().map(|b| b.field_violations.as_slice()).unwrap_or_default();
    // A message that only repeats them field by field is left out.
    if violations.is_empty() || violations.iter().any(|v| !status.message().contains(&v.description)) {
        let _ = write!(text, ": {}", terminal::printable(status.message()));
    }
    for violation in violations {
        let [field, why] = [&violation.field, &violation.description].map(|part| terminal::printable(part));
        let _ = write!(text, "\n  {field}: {why}");
    }
    if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
        let _ = write!(text, "\n  worth trying again after {delay:?}");
    }
    if let Some(advice) = Reason::of(status).and_then(advice) {
        let _ = write!(text, "\n  {advice}");
    }
    text
}

/// What lies at the bottom of a refusal: tonic's own text for a server that is not there is "tcp connect
/// error".
pub(crate) fn root_cause(status: &Status) -> String {
    let mut deepest: &dyn Error = status;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if status.source().is_some() { deepest.to_string() } else { terminal::printable(status.message()) }
}

fn advice(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::RequestIdReused => {
            "a request_id belongs to one request: repeat that request as it was, or choose a new request_id"
        }
        Reason::EtagMismatch => "somebody wrote in between: read it again, and send the etag that you get",
        Reason::HistoryDiverged => "the position belongs to another history of that store: leave it out",
        Reason::PositionExpired => "the feed no longer reaches back that far: start with a snapshot",
        Reason::Overloaded | Reason::Unavailable | Reason::Draining => {
            "nothing was done: send it again after a while"
        }
        Reason::OutcomeUnknown => "it may have happened: send it again with the same request_id",
        Reason::DeadlineExceeded => "time was up: --timeout gives it more",
        _ => return None,
    })
}

/// As the gRPC documentation writes it: `INVALID_ARGUMENT`.
pub(crate) fn code_name(code: Code) -> String {
    let mut name = String::new();
    for (i, c) in format!("{code:?}").chars().enumerate() {
        if i > 0 && c.is_uppercase() {
            name.push('_');
        }
        name.extend(c.to_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_chassis::fault::Fault;

    #[test]
    fn codes_are_written_as_in_the_documentation() {
        assert_eq!(code_name(Code::InvalidArgument), "INVALID_ARGUMENT");
        assert_eq!(code_name(Code::Ok), "OK");
    }

    #[test]
    fn a_refusal_names_code_reason_and_every_field() {
        let fault = Fault::fields(vec![
            ("customer.region".into(), "must not be empty".into()),
            ("customer.email".into(), "needs one @".into()),
        ]);
        let text = explain("customers", &fault.into());
        assert!(text.starts_with("INVALID_ARGUMENT (INVALID_REQUEST) from customers\n"), "{text}");
        assert!(text.contains("\n  customer.region: must not be empty"), "{text}");
        assert!(text.contains("\n  customer.email: needs one @"), "{text}");
    }

    #[test]
    fn an_unknown_outcome_says_what_to_do() {
        let text = explain("orders", &Fault::new(Reason::OutcomeUnknown, "sync failed").into());
        assert!(text.contains("same request_id"), "{text}");
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).code, 0);
    }
}
